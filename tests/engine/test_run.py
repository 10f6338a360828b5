"""Stages side by side give what plain DVC gives, and stop without a trace."""

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

from anamnesis.engine import finished
from anamnesis.engine.repository import open_repository


def tree(root: Path) -> dict[str, bytes]:
    """The bytes of every file the pipeline wrote, and of dvc.lock."""
    folders = ("data", "models", "metrics", "predictions", "reports")
    found = [path for folder in folders for path in (root / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in [*found, root / "dvc.lock"]}


def forget(root: Path) -> None:
    """Back to a fresh clone without a cache."""
    for folder in ("data", "models", "metrics", "predictions", "reports", ".dvc/cache", ".dvc/tmp", "dvc.lock"):
        path = root / folder
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def test_same_bytes_as_plain_dvc_also_in_the_lock_file(project):
    project.dvc("repro", "-q")
    plain = tree(project.root)
    forget(project.root)
    # The first in the plan ends last, so that stages finish in another order than plain DVC's.
    project.before("train", "hello-a", "while [ ! -e models/hello-bb/weights ]; do sleep 0.05; done")

    result = project.repro("2")

    assert result.returncode == 0, result.stderr
    assert "changed: True" in result.stdout
    assert "done    compare" in result.stdout
    assert len(plain) == 13
    assert tree(project.root) == plain


def test_lock_file_keeps_committed_order_when_an_experiment_is_added(project):
    project.dvc("repro", "-q")
    project.commit()
    project.experiments(["0", "a", "bb", "ccc"])
    project.dvc("repro", "-q")
    plain = tree(project.root)
    project.git("checkout", "-q", "dvc.lock")
    shutil.rmtree(project.root / ".dvc" / "cache" / "runs")
    assert project.repro("2").returncode == 0
    assert tree(project.root) == plain


@pytest.mark.parametrize("finish", ["anamnesis", "dvc"])
def test_lock_file_does_not_tell_of_an_interruption(project, finish):
    project.dvc("repro", "-q")
    plain = tree(project.root)
    forget(project.root)
    # The first experiment fails while the others finish; the second run has it to do.
    project.before("train", "hello-a", "exit 3")
    assert project.repro("2").returncode == 1
    assert "train@hello-bb" in (project.root / "dvc.lock").read_text()
    project.before("train", "hello-a", "")
    if finish == "dvc":
        project.dvc("repro", "-q")
    assert project.repro("2").returncode == 0
    assert tree(project.root) == plain


def test_nothing_to_do_runs_nothing_and_leaves_git_clean(project):
    assert project.repro("2").returncode == 0
    project.commit()
    project.ran()
    result = project.repro("2")
    assert result.returncode == 0
    assert result.stdout.splitlines() == ["Nothing to do: all 9 stages are up to date.", "changed: False"]
    assert project.ran() == []
    assert "Data and pipelines are up to date." in project.dvc("repro")
    assert project.git("status", "--porcelain") == ""


def test_only_what_changed_runs(project):
    project.repro("2")
    project.ran()
    project.experiments(["a", "bb", "ccc", "dddd"])
    result = project.repro("2")
    assert result.returncode == 0, result.stderr
    assert project.ran() == ["train hello-dddd", "evaluate hello-dddd", "compare all"]
    assert "8 of 11 stages are up to date" in result.stdout


def test_results_come_back_from_the_run_cache(project):
    project.repro("2")
    project.ran()
    (project.root / "dvc.lock").unlink()
    shutil.rmtree(project.root / "models")
    result = project.repro("2")
    assert result.returncode == 0, result.stderr
    assert project.ran() == []
    assert "cached  train@hello-a" in result.stdout


def test_independent_stages_overlap(project):
    # Each waits for the other: one after the other would never end well.
    meet = "touch met-%s; for i in $(seq 600); do [ -e met-%s ] && return 0; sleep 0.05; done; exit 9"
    project.before("train", "hello-a", meet % ("a", "b"))
    project.before("train", "hello-bb", meet % ("b", "a"))
    result = project.repro("2")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("jobs", [1, 3])
def test_never_more_at_once_than_jobs(project, jobs):
    for name in ("a", "bb", "ccc"):
        count = "mkdir -p met-now; touch met-now/$name; ls met-now | wc -l >> met-counts; sleep 0.3; rm met-now/$name"
        project.before("train", f"hello-{name}", count)
    assert project.repro(str(jobs)).returncode == 0
    counts = [int(line) for line in (project.root / "met-counts").read_text().split()]
    assert len(counts) == 3
    assert max(counts) <= jobs


def test_targets_restrict_to_what_they_need(project):
    result = project.repro("2", "hello-bb")
    assert result.returncode == 0, result.stderr
    assert project.ran() == ["fetch hello", "tokenize hello-characters", "train hello-bb", "evaluate hello-bb"]
    assert project.repro("2", "train").returncode == 0
    assert sorted(project.ran()) == ["train hello-a", "train hello-ccc"]


def test_unknown_target_suggests_the_nearest(project):
    result = project.repro("2", "hello-cc")
    assert result.returncode == 2
    assert result.stderr == "error: no stage or experiment is named 'hello-cc'; did you mean 'hello-ccc'?\n"


def test_bad_params_stop_before_anything_runs(project):
    (project.root / "params.yaml").write_text((project.root / "params.yaml").read_text().replace("seed: 1", "sed: 1"))
    result = project.repro("2")
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "experiments.hello-a.sed" in result.stderr
    assert project.ran() == []


def test_failure_names_the_stage_shows_its_log_and_lets_others_finish(project):
    project.before("train", "hello-bb", "echo 'the disk is full of eels' >&2; exit 3")
    result = project.repro("2")
    assert result.returncode == 1
    assert result.stderr.startswith("error: 1 of 9 stages failed: train@hello-bb;")
    assert "the disk is full of eels" in result.stdout
    assert "failed  train@hello-bb" in result.stdout
    assert "skipped evaluate@hello-bb  needs train@hello-bb" in result.stdout
    assert (project.root / "metrics" / "hello-a.json").exists()
    assert (project.root / "metrics" / "hello-ccc.json").exists()
    assert not (project.root / "reports").exists()


def test_broken_pipeline_file_is_one_line(project):
    (project.root / "dvc.yaml").write_text("stages: {train: {do: 1}}\n")
    result = project.repro("2")
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "dvc.yaml" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_leaves_nothing_running(project, number):
    # A child in the background, and one that does not hear SIGTERM.
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
    wait_for(lambda: not any(running(child) for child in family))
    if number != signal.SIGKILL:
        assert err == "interrupted: no incomplete output was kept; run the command again to continue\n"
    # Nothing of the interrupted stages was recorded, and nothing stands in the way of the next run.
    lock = project.root / "dvc.lock"
    assert not lock.exists() or "train@" not in lock.read_text()
    project.before("train", "hello-a", "")
    project.before("train", "hello-bb", "")
    assert project.repro("2").returncode == 0


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
    project.repro("2")
    whole = time.monotonic() - start
    plain = {path: content for path, content in tree(project.root).items() if path != "dvc.lock"}
    forget(project.root)
    use_script(project, TRAINING)
    generator = random.Random(seed)
    kills = 0
    while kills < 8:
        process = project.popen("2")
        try:
            process.communicate(timeout=generator.uniform(0.3, 1.1) * whole)
            if kills:
                break
            # The machine was busier when the time was taken.
            whole /= 2
            forget(project.root)
            (project.root / ".anamnesis" / "trained").unlink()
        except subprocess.TimeoutExpired:
            kills += 1
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            process.kill()
            process.communicate()
            wait_for(lambda family=family: not any(running(child) for child in family))
    result = project.repro("2")
    assert result.returncode == 0, result.stdout + result.stderr
    # A script that was killed between its last two lines is not in the list.
    trained = (project.root / ".anamnesis" / "trained").read_text().split()
    assert len(trained) == len(set(trained))
    assert {path: content for path, content in tree(project.root).items() if path != "dvc.lock"} == plain
    assert "Data and pipelines are up to date." in project.dvc("repro")


def test_a_result_that_was_not_recorded_is_taken_from_the_disk(project, monkeypatch):
    # Killed when the outputs are complete: the note is there, and DVC knows nothing of them.
    project.repro("2")
    project.ran()
    whole = tree(project.root)
    stage = "train@hello-a"
    monkeypatch.chdir(project.root)
    with open_repository(project.root) as repository:
        repository.plan([])
        task = repository._task(stage, repository._stages[stage])
    finished.note(project.root, stage, task.key, task.outputs)
    (project.root / "dvc.lock").unlink()
    shutil.rmtree(project.root / ".dvc" / "cache")
    assert project.repro("2", "train@hello-a").returncode == 0
    assert project.ran() == ["fetch hello", "tokenize hello-characters"]
    # Touched since: the result may be anybody's.
    (project.root / "dvc.lock").unlink()
    shutil.rmtree(project.root / ".dvc" / "cache")
    finished.note(project.root, stage, task.key, task.outputs)
    (project.root / "models" / "hello-a" / "weights").write_text("something else\n")
    assert project.repro("2").returncode == 0
    assert "train hello-a" in project.ran()
    assert tree(project.root) == whole


def test_a_second_engine_says_who_is_at_work(project):
    project.before("fetch", "hello", "touch met-fetch; while [ ! -e met-go ]; do sleep 0.05; done")
    first = project.popen("2")
    wait_for((project.root / "met-fetch").exists)
    second = project.repro("2")
    assert second.returncode == 1
    assert second.stdout == ""
    assert len(second.stderr.splitlines()) == 1
    assert f"process {first.pid} (" in second.stderr
    assert "is at work in" in second.stderr
    # So does DVC, which changes nothing.
    with pytest.raises(subprocess.CalledProcessError):
        project.dvc("repro")
    (project.root / "met-go").touch()
    out, err = first.communicate(timeout=60)
    assert first.returncode == 0, out + err
    assert project.ran().count("fetch hello") == 1


def test_a_dvc_that_runs_a_stage_is_left_alone(project):
    project.before("train", "hello-a", "touch met-train; while [ ! -e met-go ]; do sleep 0.05; done")
    command = [sys.executable, "-m", "dvc", "repro", "-q"]
    dvc = subprocess.Popen(command, cwd=project.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for((project.root / "met-train").exists)
    result = project.repro("2")
    (project.root / "met-go").touch()
    assert dvc.wait(timeout=60) == 0
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert f"process {dvc.pid} (" in result.stderr
    assert project.repro("2").stdout.startswith("Nothing to do")


def test_a_dvc_command_that_holds_the_lock_is_named(project):
    (project.root / ".dvc" / "tmp").mkdir(parents=True, exist_ok=True)
    lock = zc.lockfile.LockFile(str(project.root / ".dvc" / "tmp" / "lock"))
    result = project.repro("2")
    lock.close()
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"error: process {os.getpid()} (")
    assert project.ran() == []


def test_half_written_outputs_of_a_kill_are_removed_and_nothing_else(project):
    project.repro("2")
    whole = tree(project.root)
    models, reports = project.root / "models", project.root / "reports"
    # Of DVC, of a folder that was being written, of a file.
    (models / ".X_QW1-rDGv9my66MOFlFIw.tmp").write_text("")
    (models / ".hello-a.ab_d1fgh").mkdir()
    (models / ".hello-a.ab_d1fgh" / "weights").write_text("half")
    (reports / ".leaderboard.csv.zzzzzzz9").write_text("half")
    kept = [models / ".hello-b.abcdefgh", models / ".mine.tmp", reports / ".leaderboard.csv.backup"]
    for path in kept[1:]:
        path.write_text("mine")
    kept[0].mkdir()
    result = project.repro("2")
    assert result.returncode == 0, result.stderr
    assert all(path.exists() for path in kept)
    assert tree(project.root) == whole | {str(path.relative_to(project.root)): b"mine" for path in kept[1:]}


def test_outputs_of_removed_experiments_change_no_hash_and_are_not_lost(project):
    project.experiments(["a", "ccc"])
    assert project.repro("2").returncode == 0
    whole = tree(project.root)
    project.experiments(["a", "bb", "ccc"])
    assert project.repro("2").returncode == 0
    old = tree(project.root)
    notes = project.root / "models" / "notes.txt"
    notes.write_text("mine")
    project.ran()
    project.experiments(["a", "ccc"])
    result = project.repro("2")
    assert result.returncode == 0, result.stderr
    assert "because params.yaml does not have these experiments any more: outputs of hello-bb\n" in result.stdout
    assert project.ran() == []
    assert {path: content for path, content in tree(project.root).items() if path != "dvc.lock"} == {
        path: content for path, content in (whole | {"models/notes.txt": b"mine"}).items() if path != "dvc.lock"
    }
    removed = project.root / ".anamnesis" / "removed"
    assert {f"{path.relative_to(removed)}": path.read_bytes() for path in removed.rglob("*") if path.is_file()} == {
        path: content for path, content in old.items() if "hello-bb" in path
    }
    assert "Data and pipelines are up to date." in project.dvc("status")
    # The entry comes back with its results, and what was moved before stays.
    project.experiments(["a", "bb", "ccc"])
    assert project.repro("2").returncode == 0
    assert project.ran() == []
    assert (project.root / "models" / "hello-bb" / "weights").read_bytes() == old["models/hello-bb/weights"]
    project.experiments(["a", "ccc"])
    assert project.repro("2").returncode == 0
    assert {path.name for path in (removed / "models").iterdir()} == {"hello-bb", "hello-bb.2"}


def test_half_a_file_of_locks_stands_in_nobodys_way(project):
    # DVC writes it in place, so that a kill -9 can leave this.
    locks = project.root / ".dvc" / "tmp" / "rwlock"
    locks.parent.mkdir(parents=True, exist_ok=True)
    locks.write_text('{"write": {')
    result = project.repro("2")
    assert result.returncode == 0, result.stderr
    assert "Data and pipelines are up to date." in project.dvc("repro")
    # The engine itself writes no such file that a kill could halve.
    locks.unlink()
    project.experiments(["a", "bb", "ccc", "dddd"])
    assert project.repro("2").returncode == 0
    assert not locks.exists()


def test_what_changes_while_a_stage_runs_is_not_recorded(project):
    project.before("train", "hello-bb", "sed -i 's/seed: 2/seed: 7/' params.yaml")
    result = project.repro("1")
    assert result.returncode == 1
    assert "error: params.yaml was changed while train@hello-bb ran; run again" in result.stdout
    project.before("train", "hello-bb", "")
    project.ran()
    assert project.repro("1").returncode == 0
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


def test_a_python_script_runs_in_a_warm_process_as_it_would_by_itself(project):
    use_script(project, SCRIPT, "python")
    result = project.repro("2")
    assert result.returncode == 1
    assert f"train.py in {project.root} as __main__" in result.stdout
    assert (project.root / "models" / "hello-a" / "weights").read_text() == "hello-a train@hello-a 3"
    logs = {
        name: (project.root / ".anamnesis" / "logs" / f"train@hello-{name}.log").read_text() for name in ("bb", "ccc")
    }
    assert logs["bb"].splitlines()[-1] == "the model is full of eels"
    assert logs["ccc"].splitlines()[-1] == "ValueError: no way"
    assert "metrics/hello-a.json" in project.dvc("metrics", "show").replace("\\", "/")


def use_script(project, script: str, python: str = "python3") -> None:
    """Train by a script in Python. Only where the command is `python` are the heavy libraries imported first."""
    (project.root / "pipelines" / "train.py").write_text(script)
    stages = (project.root / "dvc.yaml").read_text()
    old = "sh pipelines/work.sh train ${key} data/tokens/${item.tokens}"
    (project.root / "dvc.yaml").write_text(stages.replace(old, f"{python} -P pipelines/train.py ${{key}}"))


def running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
