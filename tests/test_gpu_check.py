"""The check of a GPU machine, with small parts instead of the real ones: what is ended, counted and printed."""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from settings_files import write_settings

from anamnesis import params
from anamnesis.stages.fetch import fetch
from anamnesis.yaml_file import read_yaml

ROOT = Path(__file__).resolve().parents[1]


def script(folder: str, name: str) -> Any:
    """A script of the repository as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / folder / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look their module up.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


gpu_check = script("scripts", "gpu_check")
measure = script("benchmarks", "measure")
Part, Outcome, Row = gpu_check.Part, gpu_check.Outcome, gpu_check.Row


def shell(name: str, command: str, *needs: str, seconds: float = 30.0, folder: Path = ROOT) -> Any:
    return Part(name, ("sh", "-c", command), seconds, needs, folder)


def run(parts: list[Any], folder: Path, jobs: int = 2, seconds: float = 60.0) -> dict[str, Any]:
    outcomes: dict[str, Any] = {}
    gpu_check.run_parts(parts, jobs, time.monotonic() + seconds, folder, dict(os.environ), outcomes)
    return outcomes


def is_gone(file: Path) -> bool:
    """Whether the process whose number stands in a file has ended; its parent may not have read that yet."""
    number = int(file.read_text())
    return not psutil.pid_exists(number) or psutil.Process(number).status() == psutil.STATUS_ZOMBIE


# --- running parts


def test_a_part_runs_after_those_that_it_needs_and_not_after_a_failure(tmp_path: Path) -> None:
    parts = [
        shell("last", "cat first second > last", "second", folder=tmp_path),
        shell("second", "cat first > second", "first", folder=tmp_path),
        shell("first", "echo written > first; echo words", folder=tmp_path),
        shell("broken", "exit 3"),
        shell("after broken", "touch never", "broken", folder=tmp_path),
        shell("after that", "touch never", "after broken", folder=tmp_path),
    ]
    outcomes = run(parts, tmp_path)
    assert (tmp_path / "last").read_text() == "written\n" * 2
    assert {name: outcome.problem for name, outcome in outcomes.items()} == {
        "first": "",
        "second": "",
        "last": "",
        "broken": "ended with exit code 3",
        "after broken": "not run: broken failed",
        "after that": "not run: after broken failed",
    }
    assert not (tmp_path / "never").exists()
    assert gpu_check.log_of("first", tmp_path).read_text().splitlines()[1:] == ["words"]


def test_no_more_parts_run_at_once_than_allowed(tmp_path: Path) -> None:
    parts = [shell(str(number), f"touch {number}; ls; sleep 0.2; rm {number}", folder=tmp_path) for number in range(5)]
    logs = tmp_path / "logs"
    logs.mkdir()
    assert not any(outcome.problem for outcome in run(parts, logs).values())
    seen = [gpu_check.log_of(part.name, logs).read_text().splitlines()[1:] for part in parts]
    assert max(len(set(lines) - {"logs"}) for lines in seen) == 2


HANGS = "sleep 1000 & echo $! > child; wait"


def test_a_part_that_hangs_is_ended_with_its_processes(tmp_path: Path) -> None:
    outcomes = run([shell("hangs", HANGS, seconds=0.5, folder=tmp_path), shell("short", "true")], tmp_path)
    assert outcomes["hangs"].problem.startswith("stopped after ")
    assert 0.5 <= outcomes["hangs"].seconds < 20
    assert outcomes["short"].problem == ""
    assert is_gone(tmp_path / "child")


def test_at_the_end_of_the_time_nothing_more_is_started(tmp_path: Path) -> None:
    outcomes = run([shell("hangs", HANGS, folder=tmp_path), shell("next", "true")], tmp_path, jobs=1, seconds=0.5)
    assert outcomes["hangs"].problem.startswith("stopped after ")
    assert outcomes["next"].problem == "not run: no time was left"
    assert is_gone(tmp_path / "child")


def test_an_interruption_ends_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_seconds: float) -> None:
        if (tmp_path / "child").exists() and (tmp_path / "child").read_text():
            raise KeyboardInterrupt

    monkeypatch.setattr(gpu_check.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run([shell("hangs", HANGS, folder=tmp_path)], tmp_path)
    assert is_gone(tmp_path / "child")


# --- the table and the exit code

TESTS = """
import pytest

@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_fine(device):
    assert device

@pytest.mark.skip
def test_skipped():
    pass

def test_maybe():
    assert {well}
"""
RUNS = [{"hardware": "a GPU, 9 cores", "experiments": {"toy": {"test": {"accuracy": 0.8}}}}]


def benchmark_line(ratio: float) -> str:
    line = {"what": "layer", "ours": "1 step/s", "reference": "2 steps/s", "ratio": ratio}
    return json.dumps({**line, "bound": 0.5, "at_least": True, "met": ratio >= 0.5})


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """check(...): the exit code of a whole check of one toy experiment, and what it prints."""

    def run_check(
        ratio: float = 0.6,
        accuracy: float = 0.79,
        trained: float = 1.0,
        test: bool = True,
        train: str = "",
        **limit: float,
    ) -> tuple[int, str]:
        project, out, scratch = tmp_path / "project", tmp_path / "out", tmp_path / "scratch"
        scratch.mkdir()
        for name in (".anamnesis/timings", "metrics", "models/toy"):
            (project / name).mkdir(parents=True)
        (project / "toy.json").write_text(json.dumps({split: {"accuracy": accuracy} for split in ("valid", "test")}))
        (project / "seconds.json").write_text(json.dumps({"seconds": trained, "steps_per_second": 7.2}))
        (project / "test_toy.py").write_text(TESTS.format(well=test))
        train = train or "cp seconds.json .anamnesis/timings/toy.json; echo epoch > models/toy/history.csv"

        def tests_part(results: Path, small: bool) -> Any:
            command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={results}", "test_toy.py")
            return Part("tests", command, 60.0, (), project)

        content = {"experiments": {"toy": {"task": "classification"}}}
        fakes = {
            "DESCRIBE": """print('{"gpu": "fast", "software": "PyTorch 9"}')""",
            "write_project": lambda folder, small: content,
            "benchmark": lambda results, small: shell("benchmark", f"echo '{benchmark_line(ratio)}' > {results}"),
            "gpu_tests": tests_part,
            "data_parts": lambda content, folder: [],
            "model_parts": lambda content, folder, small: [
                shell("evaluate toy", "cp toy.json metrics", "train toy", folder=project),
                shell("train toy", train, folder=project, **limit),
            ],
        }
        for name, fake in fakes.items():
            monkeypatch.setattr(gpu_check, name, fake)
        (tmp_path / "measured.yaml").write_text(json.dumps({"runs": RUNS}))
        monkeypatch.setattr(gpu_check, "MEASURED", tmp_path / "measured.yaml")
        # The project is in the scratch folder of a real check.
        (scratch / "project").symlink_to(project)
        code = gpu_check.check(out, scratch, False, None, 2, time.monotonic() + 120, 3.0)
        return code, capsys.readouterr().out

    return run_check


def rows_of(output: str) -> dict[str, str]:
    """The lines of the table by their first column."""
    return {line.split("  ")[0]: line for line in output[output.index("\nwhat") :].splitlines() if "  " in line}


def test_without_a_miss_the_check_is_well(check: Callable[..., Any], tmp_path: Path) -> None:
    code, output = check()
    assert code == 0
    rows = rows_of(output)
    assert list(rows) == [
        "what",
        "tests/gpu",
        "layer",
        "benchmark",
        "toy: test accuracy",
        "toy: training",
        "toy: evaluation",
        "the whole check",
    ]
    assert all(line.endswith("  ok") for name, line in rows.items() if name != "what")
    assert "3 passed, 0 failed, 1 skipped" in rows["tests/gpu"]
    assert " ".join(rows["layer"].split()) == "layer 0.60 (1 step/s / 2 steps/s) >= 0.5 ok"
    assert "0.790" in rows["toy: test accuracy"]
    assert ">= 0.785 (0.800 on a GPU)" in rows["toy: test accuracy"]
    assert "all 7 rows are well" in output
    out = tmp_path / "out"
    assert (out / "table.txt").read_text() in output
    assert (out / "histories" / "toy.csv").read_text() == "epoch\n"
    (measured,) = read_yaml(out / "measured.yaml")["runs"]
    assert measured["hardware"].startswith("fast, ")
    assert measured["tests"].items() >= {"passed": 3, "failed": 0, "skipped": 1}.items()
    assert measured["experiments"]["toy"].items() >= {"test": {"accuracy": 0.79}, "speed": {"steps": 7}}.items()
    assert measured["benchmarks"] == {"layer": {"ours": "1 step/s", "reference": "2 steps/s", "ratio": 0.6}}


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"ratio": 0.4}, "layer"),
        ({"accuracy": 0.78}, "toy: test accuracy"),
        ({"accuracy": float("nan")}, "toy: test accuracy"),
        ({"trained": 61.0}, "toy: training"),
        ({"test": False}, "tests/gpu"),
        ({"train": "echo its words; exit 1"}, "toy: train"),
        ({"train": "echo its words; sleep 1000", "seconds": 0.3}, "toy: train"),
    ],
)
def test_one_miss_is_an_error_and_the_table_is_whole(
    check: Callable[..., Any], changes: dict[str, Any], what: str
) -> None:
    code, output = check(**changes)
    assert code == 1
    rows = rows_of(output)
    assert [name for name, line in rows.items() if line.endswith("MISS")] == [what]
    assert "the whole check" in rows
    assert f"1 of {len(rows) - 1} rows missed" in output
    assert ("its words" in output) == (what == "toy: train")
    assert ("test_toy.py::test_maybe" in output) == (what == "tests/gpu")


def test_scores_may_be_better_and_a_little_worse() -> None:
    def ok(metric: str, value: float, lowest: dict[str, float] | None = None) -> bool:
        earlier = {"bleu": 28.0, "perplexity": 20.0}
        return gpu_check.score_row("toy", metric, value, earlier, "a GPU", lowest or {}).ok

    assert [ok("bleu", value) for value in (26.4, 26.6, 90.0)] == [False, True, True]
    assert [ok("perplexity", value) for value in (20.7, 20.5, 1.0)] == [False, True, True]
    assert not ok("perplexity", float("nan"))
    # Its own goal, whatever was measured.
    assert [ok("bleu", value, {"bleu": 33.0}) for value in (32.9, 33.0, float("nan"))] == [False, True, False]
    # No goal is known.
    assert ok("accuracy", 0.1)
    assert not ok("accuracy", float("nan"))


def test_a_translator_is_compared_with_one_core(tmp_path: Path) -> None:
    for name, content in (
        ("metrics/toy.json", {"test": {"bleu": 9, "perplexity": 9}}),
        (".anamnesis/timings/toy.json", {"seconds": 100}),
    ):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(json.dumps(content))
    runs = [{"hardware": "a GPU", "experiments": {"toy": {"evaluate_seconds_cpu": 200}}}]
    for seconds, ok in ((19.0, True), (21.0, False)):
        outcomes = {"train toy": Outcome(110.0), "evaluate toy": Outcome(seconds)}
        *_, row = gpu_check.experiment_rows("toy", "translation", tmp_path, outcomes, runs, False)
        assert row == Row(
            "toy: evaluation",
            f"{seconds:.1f} s, {200 / seconds:.1f} times one core",
            ">= 10 times (200 s on one core)",
            ok,
        )
        # In small, it is enough that it ended.
        assert all(row.ok for row in gpu_check.experiment_rows("toy", "translation", tmp_path, outcomes, runs, True))


def test_results_that_were_written_in_part_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "tests.xml").write_text('<testsuites><testsuite><testcase name="test_a[cuda]" />')
    row = gpu_check.test_row(tmp_path / "tests.xml", Outcome(9.0, "stopped after 9 s"), False)
    assert (row.measured.split(", ")[0], row.ok) == ("stopped after 9 s", False)
    (tmp_path / "lines").write_text(benchmark_line(0.6) + "\n" + benchmark_line(0.7)[:-9])
    rows = gpu_check.benchmark_rows(tmp_path / "lines", Outcome(180.0, "stopped after 180 s"), False)
    assert [(row.what, row.ok) for row in rows] == [("layer", True), ("benchmark", False)]


def test_the_first_run_with_a_figure_is_the_reference() -> None:
    runs = [
        {"hardware": "new GPU, 8 cores", "experiments": {"toy": {"test": {"bleu": 3}, "train_seconds": 1}}},
        {"hardware": "other", "experiments": {}},
        {"hardware": "old GPU", "experiments": {"toy": {"test": {"bleu": 2}, "evaluate_seconds_cpu": 200}}},
    ]
    expected = {"test": {"bleu": 3}, "train_seconds": 1, "evaluate_seconds_cpu": 200}
    assert gpu_check.reference("toy", runs) == (expected, "new GPU")
    assert gpu_check.reference("new", runs) == ({}, "")


# --- what is run


def test_the_experiments_of_the_check_have_references(tmp_path: Path) -> None:
    content = gpu_check.write_project(tmp_path / "project", small=False)
    names = content["experiments"]
    for pattern in gpu_check.EXPERIMENTS:
        assert any(gpu_check.fnmatchcase(name, pattern) for name in names), pattern
    runs = read_yaml(gpu_check.MEASURED)["runs"]
    for name, experiment in names.items():
        goals = gpu_check.LOWEST.get(name) or gpu_check.reference(name, runs)[0]["test"]
        assert goals.keys() >= set(gpu_check.SCORES[experiment["task"]][:1]), name
    parts = gpu_check.data_parts(content, tmp_path) + gpu_check.model_parts(content, tmp_path, False)
    known = {part.name for part in parts}
    assert all(known.issuperset(part.needs) for part in parts)
    assert {f"evaluate {name}" for name in names} <= known
    settings = params.load(tmp_path / "project" / "params.yaml")
    assert {each.trainer.accelerator for each in settings.experiments.values()} == {"gpu"}
    assert settings.experiments["en-nl-attention"].model.hidden == 1024


def test_in_small_every_experiment_is_there_with_a_tiny_network_on_the_cpu(tmp_path: Path) -> None:
    large, small = (gpu_check.write_project(tmp_path / str(small), small)["experiments"] for small in (False, True))
    assert large.keys() == small.keys()
    for experiment in params.load(tmp_path / "True" / "params.yaml").experiments.values():
        assert (experiment.trainer.accelerator, experiment.training.epochs) == ("cpu", 1)
        assert experiment.model.hidden == 16


def test_a_mirror_is_filled_with_what_the_fetch_stage_finds_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file at an address that other corpora share, and a member of an archive."""
    text = b"One line after another.\n" * 80
    mirror = tmp_path / "mirror"
    (mirror / "shared").mkdir(parents=True)
    (mirror / "shared" / "a.txt").write_bytes(text)
    (mirror / "zipped").mkdir()
    with zipfile.ZipFile(mirror / "zipped" / "archive.zip", "w") as archive:
        archive.writestr("inside/b.txt", text + b"More.\n")

    def digest(content: bytes) -> str:
        return hashlib.sha256(content).hexdigest()

    plain = {"url": "https://example.invalid/a.txt", "sha256": digest(text), "mirror": "shared/a.txt"}
    archived = {
        "url": "https://example.invalid/archive.zip",
        "sha256": digest((mirror / "zipped" / "archive.zip").read_bytes()),
        "members": [{"path": "inside/b.txt", "sha256": digest(text + b"More.\n")}],
    }
    corpora = {
        name: {
            "reader": "text",
            "source": {"kind": "url", "files": [file]},
            "split": {"valid": 0.1, "test": 0.1},
        }
        for name, file in (("plain", plain), ("zipped", archived))
    }

    def write(folder: Path, small: bool) -> None:
        folder.mkdir()
        write_settings(folder, {"profile": "seed", "corpora": corpora, "tokens": {}, "experiments": {}})

    monkeypatch.setattr(gpu_check, "write_project", write)
    monkeypatch.setenv("ANAMNESIS_MIRROR", str(mirror))
    monkeypatch.setenv("ANAMNESIS_CACHE", str(tmp_path / "cache"))
    filled = tmp_path / "filled"
    gpu_check.fill_mirror(filled)
    assert sorted(path.relative_to(filled).as_posix() for path in filled.rglob("*.txt")) == [
        "shared/a.txt",
        "zipped/b.txt",
    ]
    # Nothing but the new folder is left to find them.
    monkeypatch.setenv("ANAMNESIS_MIRROR", str(filled))
    monkeypatch.setenv("ANAMNESIS_CACHE", str(tmp_path / "empty"))
    write(tmp_path / "project", False)
    for name, corpus in params.load(tmp_path / "project" / "params.yaml").corpora.items():
        assert "characters" in fetch(name, corpus, tmp_path / "project")


# --- the packages


def write_wheel(folder: Path, name: str, version: str) -> None:
    """A wheel with one empty module."""
    information = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{information}/RECORD", "")


def test_an_environment_adds_packages_and_keeps_pytorch(tmp_path: Path) -> None:
    for name, version in (("addition", "1.0"), ("torch", "99.0"), ("pytest", "99.0")):
        write_wheel(tmp_path, name, version)
    wanted = ["addition", "torch>=2", "pytest", "numpy"]
    python = gpu_check.make_environment(tmp_path / "environment", tmp_path, wanted)

    def versions(program: Path | str) -> list[str]:
        code = "from importlib.metadata import version; print(*map(version, ('torch', 'pytest', 'numpy')))"
        return subprocess.run([program, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    torch, ours, numpy = versions(sys.executable)
    assert ours != "99.0"
    assert versions(python) == [torch, "99.0", numpy]
    subprocess.run([python, "-c", "import addition"], check=True)


# --- the benchmark's budget


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize(("budget", "turns"), [(float("inf"), 6), (0.0, 2), (100.0, 3), (89.9, 2)])
def test_a_budget_costs_turns_but_never_the_first(
    monkeypatch: pytest.MonkeyPatch, budget: float, turns: int, warm: bool
) -> None:
    """A turn of both functions takes 30 seconds, of which the first is not measured."""
    now = 0.0
    calls = []

    def take(seconds: float) -> None:
        nonlocal now
        now += seconds
        calls.append(seconds)

    if warm:
        budget, turns = budget - 30.0, turns - 1
    monkeypatch.setattr(measure.time, "perf_counter", lambda: now)
    found = measure.alternate(lambda: take(10.0), lambda: take(20.0), rounds=5, budget=budget, warm=warm)
    assert found == [10.0, 20.0]
    assert calls == [10.0, 20.0] * turns
