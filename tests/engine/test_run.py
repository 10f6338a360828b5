"""A run of the engine gives the results of plain DVC, runs stages in parallel, and survives every interruption."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import zc.lockfile

from anamnesis.engine import completion
from anamnesis.engine.repository import open_repository

OUTPUTS = ("data", "models", "metrics", "predictions", "reports")
UP_TO_DATE = "Data and pipelines are up to date."


def outputs(root: Path) -> dict[str, bytes]:
    """The bytes of every file that the stages wrote."""
    paths = [path for folder in OUTPUTS for path in (root / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def results(root: Path) -> dict[str, bytes]:
    """The bytes of every file that the stages wrote, and of dvc.lock."""
    return outputs(root) | {"dvc.lock": (root / "dvc.lock").read_bytes()}


def remove(root: Path, *names: str) -> None:
    for path in map(root.joinpath, names):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def reset(root: Path) -> None:
    """Remove all outputs, the lock file and DVC's cache."""
    remove(root, *OUTPUTS, ".dvc/cache", ".dvc/tmp", "dvc.lock")


def run(project, *arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
    """Run the engine with two jobs; `arguments` are targets."""
    result = project.repro("2", *arguments)
    assert result.returncode == code, result.stdout + result.stderr
    return result


def test_same_bytes_as_plain_dvc_also_in_the_lock_file(project):
    project.dvc("repro", "-q")
    plain = results(project.root)
    assert len(plain) == 13
    reset(project.root)
    # The first stage of the plan ends last, so that stages end in another order than with plain DVC.
    project.before("train", "hello-a", "while [ ! -e models/hello-bb/weights ]; do sleep 0.05; done")
    result = run(project)
    assert "changed: True" in result.stdout
    assert "done    compare" in result.stdout
    assert results(project.root) == plain
    # A new experiment comes after those of the committed file.
    project.commit()
    project.experiments(["0", "a", "bb", "ccc"])
    project.dvc("repro", "-q")
    plain = results(project.root)
    project.git("checkout", "-q", "dvc.lock")
    remove(project.root, ".dvc/cache/runs")
    run(project)
    assert results(project.root) == plain


@pytest.mark.parametrize("finish", ["anamnesis", "dvc"])
def test_lock_file_is_the_same_after_an_interruption(project, finish):
    project.dvc("repro", "-q")
    plain = results(project.root)
    reset(project.root)
    # The first experiment fails while the others finish, so that the second run appends it.
    project.before("train", "hello-a", "exit 3")
    run(project, code=1)
    assert "train@hello-bb" in (project.root / "dvc.lock").read_text()
    project.before("train", "hello-a", "")
    if finish == "dvc":
        project.dvc("repro", "-q")
    run(project)
    assert results(project.root) == plain


def test_only_stages_without_a_result_run(project):
    run(project)
    project.commit()
    project.ran()
    result = run(project)
    assert result.stdout.splitlines() == ["Nothing to do: all 9 stages are up to date.", "changed: False"]
    assert UP_TO_DATE in project.dvc("repro")
    assert project.git("status", "--porcelain") == ""
    # The run cache restores the removed results.
    remove(project.root, "dvc.lock", "models")
    assert "cached  train@hello-a" in run(project).stdout
    assert project.ran() == []
    project.experiments(["a", "bb", "ccc", "dddd"])
    assert "8 of 11 stages are up to date" in run(project).stdout
    assert project.ran() == ["train hello-dddd", "evaluate hello-dddd", "compare all"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_independent_stages_run_in_parallel_but_never_more_than_jobs(project, jobs):
    meet = "touch met-%s; for i in $(seq 600); do [ -e met-%s ] && break; sleep 0.05; done; [ -e met-%s ] || exit 9"
    for name, other in {"a": "bb", "bb": "a", "ccc": "ccc"}.items():
        count = "mkdir -p met-now; touch met-now/$name; ls met-now | wc -l >> met-counts; "
        wait = meet % (name, other, other) if jobs == 2 else "sleep 0.3"
        project.before("train", f"hello-{name}", f"{count}{wait}; rm met-now/$name")
    result = project.repro(str(jobs))
    assert result.returncode == 0, result.stdout
    counts = [int(line) for line in (project.root / "met-counts").read_text().split()]
    assert len(counts) == 3
    assert max(counts) == jobs


def test_targets_run_with_their_dependencies(project):
    run(project, "hello-bb")
    assert project.ran() == ["fetch hello", "tokenize hello-characters", "train hello-bb", "evaluate hello-bb"]
    run(project, "train")
    assert sorted(project.ran()) == ["train hello-a", "train hello-ccc"]


@pytest.mark.parametrize(
    ("file", "old", "new", "target", "code", "message"),
    [
        ("params.yaml", "", "", "hello-cc", 2, "no stage or experiment is named 'hello-cc'; did you mean 'hello-ccc'?"),
        ("params.yaml", "seed: 1", "sed: 1", "train", 2, "experiments.hello-a.sed"),
        ("dvc.yaml", "foreach: ${experiments}", "", "train", 1, "dvc.yaml"),
    ],
)
def test_a_mistake_is_one_line_before_anything_runs(project, file, old, new, target, code, message):
    path = project.root / file
    path.write_text(path.read_text().replace(old, new))
    result = run(project, target, code=code)
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
    assert project.ran() == []


def test_a_failure_shows_the_end_of_the_log_and_other_stages_finish(project):
    project.before("train", "hello-bb", "echo 'the disk is full of eels' >&2; exit 3")
    result = run(project, code=1)
    assert result.stderr.startswith("error: 1 of 9 stages failed: train@hello-bb;")
    assert "the disk is full of eels" in result.stdout
    assert "failed  train@hello-bb" in result.stdout
    assert "skipped evaluate@hello-bb  needs train@hello-bb" in result.stdout
    assert (project.root / "metrics" / "hello-a.json").exists()
    assert (project.root / "metrics" / "hello-ccc.json").exists()
    assert not (project.root / "reports").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_ends_all_processes_and_records_nothing(project, number):
    # One stage starts a background process, the other one that ignores SIGTERM.
    project.before("train", "hello-a", "sleep 300 & echo $! > a.pid; sleep 300")
    deaf = "(trap '' TERM; for i in $(seq 3000); do sleep 0.1; done) & echo $! > b.pid; wait"
    project.before("train", "hello-bb", deaf if number == signal.SIGTERM else "sleep 300 & echo $! > b.pid; wait")
    process = project.popen("2")
    pids = [project.root / "a.pid", project.root / "b.pid"]
    wait_for(lambda: all(path.exists() and path.read_text().strip() for path in pids))
    family = psutil.Process(process.pid).children(recursive=True)
    assert {int(path.read_text()) for path in pids} <= {child.pid for child in family}
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (-number if number == signal.SIGKILL else 130)
    wait_for(lambda: not any(map(is_running, family)))
    if number != signal.SIGKILL:
        assert err == "interrupted: no incomplete output was kept; run the command again to continue\n"
    lock = project.root / "dvc.lock"
    assert not lock.exists() or "train@" not in lock.read_text()
    project.before("train", "hello-a", "")
    project.before("train", "hello-bb", "")
    run(project)


TRAINING = """
import os, sys, time
from pathlib import Path
from anamnesis import console, files
(name,) = sys.argv[1:]
with files.new_folder(Path("models", name)) as folder:
    time.sleep(0.3)
    (folder / "weights").write_bytes(Path("data/tokens/hello-characters/ids").read_bytes() + f"{name}\\n".encode())
console.outputs_are_complete()
with open(".anamnesis/trained", "a") as file:
    file.write(f"{name}\\n")
time.sleep(0.2)
"""


@pytest.mark.parametrize("seed", range(3))
def test_a_kill_at_any_moment_trains_nothing_twice(project, seed):
    start = time.monotonic()
    run(project)
    duration = time.monotonic() - start
    plain = outputs(project.root)
    reset(project.root)
    use_script(project, TRAINING)
    generator = random.Random(seed)
    kills = 0
    while kills < 8:
        process = project.popen("2")
        try:
            process.communicate(timeout=generator.uniform(0.3, 1.1) * duration)
            if kills:
                break
            # The machine was busier when the duration was measured.
            duration /= 2
            reset(project.root)
            (project.root / ".anamnesis" / "trained").unlink()
        except subprocess.TimeoutExpired:
            kills += 1
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            process.kill()
            process.communicate()
            wait_for(lambda family=family: not any(map(is_running, family)))
    run(project)
    # A script that was killed between its last two lines is missing in the list.
    trained = (project.root / ".anamnesis" / "trained").read_text().split()
    assert len(trained) == len(set(trained))
    assert outputs(project.root) == plain
    assert UP_TO_DATE in project.dvc("repro")


def test_a_complete_result_that_was_not_recorded_is_used(project, monkeypatch):
    run(project)
    project.ran()
    plain = results(project.root)
    stage = "train@hello-a"
    monkeypatch.chdir(project.root)
    with open_repository(project.root) as repository:
        repository.plan([])
        task = repository._task(stage, repository._stages[stage])

    def forget_all_but_the_mark() -> None:
        completion.mark(project.root, stage, task.key, task.outputs)
        remove(project.root, "dvc.lock", ".dvc/cache")

    forget_all_but_the_mark()
    run(project, stage)
    assert project.ran() == ["fetch hello", "tokenize hello-characters"]
    # The mark does not count if the output has changed since.
    forget_all_but_the_mark()
    (project.root / "models" / "hello-a" / "weights").write_text("something else\n")
    run(project)
    assert "train hello-a" in project.ran()
    assert results(project.root) == plain


@pytest.mark.parametrize("first", ["anamnesis", "dvc"])
def test_the_engine_does_not_start_beside_another_run(project, first):
    project.before("train", "hello-a", "touch met-train; while [ ! -e met-go ]; do sleep 0.05; done")
    command = [sys.executable, "-m", "dvc", "repro", "-q"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = project.popen("2") if first == "anamnesis" else subprocess.Popen(command, cwd=project.root, **quiet)
    wait_for((project.root / "met-train").exists)
    assert_refused(project, process.pid)
    if first == "anamnesis":
        # DVC does not start either.
        with pytest.raises(subprocess.CalledProcessError):
            project.dvc("repro")
    (project.root / "met-go").touch()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert project.ran().count("train hello-a") == 1
    assert run(project).stdout.startswith("Nothing to do")


def test_a_dvc_command_that_holds_the_lock_is_named(project):
    (project.root / ".dvc" / "tmp").mkdir(parents=True, exist_ok=True)
    lock = zc.lockfile.LockFile(str(project.root / ".dvc" / "tmp" / "lock"))
    assert_refused(project, os.getpid())
    lock.close()
    assert project.ran() == []


def assert_refused(project, pid: int) -> None:
    """Check that the engine ends with one line that names the process."""
    result = run(project, code=1)
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"error: process {pid} (")


def test_temporary_files_of_a_killed_process_are_removed_and_no_others(project):
    run(project)
    plain = results(project.root)
    models, reports = project.root / "models", project.root / "reports"
    # A temporary file of DVC, a folder and a file that were being written.
    (models / ".X_QW1-rDGv9my66MOFlFIw.tmp").write_text("")
    (models / ".hello-a.ab_d1fgh").mkdir()
    (models / ".hello-a.ab_d1fgh" / "weights").write_text("half")
    (reports / ".leaderboard.csv.zzzzzzz9").write_text("half")
    (models / ".hello-b.abcdefgh").mkdir()
    own = {"models/.mine.tmp": b"mine", "reports/.leaderboard.csv.backup": b"mine"}
    for name, content in own.items():
        (project.root / name).write_bytes(content)
    run(project)
    assert (models / ".hello-b.abcdefgh").is_dir()
    assert results(project.root) == plain | own


def test_outputs_of_removed_experiments_change_no_hash_and_are_not_lost(project):
    project.experiments(["a", "ccc"])
    run(project)
    plain = outputs(project.root)
    project.experiments(["a", "bb", "ccc"])
    run(project)
    former = {path: content for path, content in outputs(project.root).items() if "hello-bb" in path}
    (project.root / "models" / "notes.txt").write_text("mine")
    project.ran()
    project.experiments(["a", "ccc"])
    result = run(project)
    assert "because params.yaml does not have these experiments any more: outputs of hello-bb\n" in result.stdout
    assert outputs(project.root) == plain | {"models/notes.txt": b"mine"}
    removed = project.root / ".anamnesis" / "removed"
    assert outputs(removed) == former
    assert UP_TO_DATE in project.dvc("status")
    # If the experiment returns, so do its results; a second removal overwrites nothing.
    project.experiments(["a", "bb", "ccc"])
    run(project)
    assert outputs(project.root).items() >= former.items()
    project.experiments(["a", "ccc"])
    run(project)
    assert project.ran() == []
    assert {path.name for path in (removed / "models").iterdir()} == {"hello-bb", "hello-bb.2"}


def test_a_damaged_file_of_path_locks_is_removed_and_none_is_written(project):
    # DVC rewrites this file in place, so a kill can leave half of it.
    locks = project.root / ".dvc" / "tmp" / "rwlock"
    locks.parent.mkdir(parents=True, exist_ok=True)
    locks.write_text('{"write": {')
    run(project)
    assert UP_TO_DATE in project.dvc("repro")
    locks.unlink()
    project.experiments(["a", "bb", "ccc", "dddd"])
    run(project)
    assert not locks.exists()


def test_a_dependency_that_changes_while_a_stage_runs_is_an_error(project):
    project.before("train", "hello-bb", "sed -i 's/seed: 2/seed: 7/' params.yaml")
    message = "error: params.yaml was changed while train@hello-bb ran; run again"
    assert message in run(project, "hello-bb", code=1).stdout
    project.before("train", "hello-bb", "")
    project.ran()
    run(project, "hello-bb")
    assert project.ran()[0] == "train hello-bb"
    assert "seed: 7" in (project.root / "dvc.lock").read_text()


SCRIPT = """
import os, sys
from pathlib import Path
from anamnesis import console
import numpy
(name,) = sys.argv[1:]
Path("models", name).mkdir(parents=True)
Path("models", name, "weights").write_text(f"{name} {os.environ['DVC_STAGE']} {numpy.arange(3).sum()}")
if name == "hello-bb":
    sys.exit("the model is full of eels")
if name == "hello-ccc":
    raise ValueError("no way")
console.summary("train", name, f"{Path(sys.argv[0]).name} in {os.getcwd()} as {__name__}")
"""


def test_a_python_script_runs_in_a_warm_process_as_it_does_alone(project):
    use_script(project, SCRIPT, "python")
    result = run(project, code=1)
    assert f"train.py in {project.root} as __main__" in result.stdout
    assert (project.root / "models" / "hello-a" / "weights").read_text() == "hello-a train@hello-a 3"
    for name, last in {"bb": "the model is full of eels", "ccc": "ValueError: no way"}.items():
        log = project.root / ".anamnesis" / "logs" / f"train@hello-{name}.log"
        assert log.read_text().splitlines()[-1] == last
    assert "metrics/hello-a.json" in project.dvc("metrics", "show")


def use_script(project, script: str, python: str = "python3") -> None:
    """Train by a Python script; only if the command is `python`, the engine imports the heavy libraries first."""
    (project.root / "pipelines" / "train.py").write_text(script)
    stages = (project.root / "dvc.yaml").read_text()
    old = "sh pipelines/work.sh train ${key} data/tokens/${item.tokens}"
    (project.root / "dvc.yaml").write_text(stages.replace(old, f"{python} -P pipelines/train.py ${{key}}"))


def is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(condition) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
