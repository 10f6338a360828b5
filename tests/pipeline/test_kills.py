"""SIGKILL before any change to the disk, in every kind of stage: the next run gives the same files."""

import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import kills
import pytest
from settings_files import write_settings

from anamnesis import numerics
from anamnesis.report import page, scripts

pytestmark = pytest.mark.pipeline
REPOSITORY = Path(__file__).parents[2]
KILLS = 20
OUTPUTS = ("data/raw", "data/tokens", "models", "metrics", "predictions", "reports")
STAGES = {
    "fetch": ("mine", ["data/raw/mine"]),
    "tokenize": ("mine-characters", ["data/tokens/mine-characters"]),
    "train": ("mine-lstm", ["models/mine-lstm"]),
    "evaluate": ("mine-lstm", ["predictions/mine-lstm", "metrics/mine-lstm.json"]),
    "compare": (None, ["reports/index.html", "reports/leaderboard.csv", "reports/curves.csv"]),
    "register": (None, ["reports/registry.json"]),
}
# Imported once, before the forks; every stage would import them again.
LOADED = (
    "anamnesis.engine.warm",
    "anamnesis.stages.fetch",
    "anamnesis.data.readers.text",
    "anamnesis.tasks.language.evaluation",
    "anamnesis.tasks.language.loading",
    "anamnesis.tasks.language.model.training",
    "anamnesis.stages.evaluate",
    "anamnesis.stages.train",
    "anamnesis.stages.compare",
    "anamnesis.stages.tokenize",
    "anamnesis.tracking.sync",
    "mlflow.pyfunc",
    "vl_convert",
)
SETTINGS: dict[str, Any] = {
    "profile": "laptop",
    "corpora": {},
    "own_corpora": {"mine": {"reader": "text", "source": {"kind": "file", "path": "mine.txt"}, "minimum": 100}},
    "tokens": {"mine-characters": {"corpus": "mine", "kind": "characters"}},
    "experiments": {
        "mine-lstm": {
            "task": "language",
            "tokens": "mine-characters",
            "model": {"architecture": "lstm", "hidden": 4},
            "batches": {"kind": "streams", "batch": 2, "steps": 20},
            "training": {"epochs": 2, "learning_rate": 0.01, "checkpoint_steps": 7},
            "sampling": {"length": 5},
        }
    },
}


@pytest.fixture(scope="module")
def warm() -> None:
    with pytest.MonkeyPatch.context() as patch:
        # `engine.warm` requires these settings. They may come too late for PyTorch, but all forks have the same.
        for name, value in numerics.PINNED.items():
            patch.setenv(name, value)
        for module in LOADED:
            import_module(module)
    # These are cached in memory, which forks share.
    scripts.bundle()
    for template in page._environment().list_templates(["html"]):
        page._environment().get_template(template)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's project with one text and one experiment, without Git."""
    for name in ("src", "pipelines", "cells"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    for name in ("dvc.yaml", ".dvcignore"):
        (tmp_path / name).write_text((REPOSITORY / name).read_text())
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    analytics = false\n    no_scm = true\n")
    (tmp_path / "data" / "own" / "mine").mkdir(parents=True)
    text = "".join(f"In chapter {number} the king said {number * number}.\n" for number in range(60))
    (tmp_path / "data" / "own" / "mine" / "mine.txt").write_text(text)
    write_settings(tmp_path, SETTINGS)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "DVC_", "ANAMNESIS_"))]:
        monkeypatch.delenv(name)
    # tests/tracking tests what a kill does to MLflow.
    monkeypatch.setenv("ANAMNESIS_TRACKING", "off")
    monkeypatch.setenv("ANAMNESIS_CACHE", str(tmp_path / "downloads"))
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc-cache"))
    for name, value in numerics.PINNED.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def stage(name: str, log: Path) -> Callable[[], None]:
    """A function that runs the script of a stage, with its output in `log`."""

    def work() -> None:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
        script = f"pipelines/{name}.py"
        argument = STAGES[name][0]
        sys.argv[:] = [script] + ([argument] if argument else [])
        runpy.run_path(script, run_name="__main__")

    return work


def content(root: Path) -> dict[str, bytes]:
    """The bytes of each output file, and an empty value for each empty folder, by path."""
    paths = [path for folder in OUTPUTS for path in (root / folder).rglob("*")]
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else b""
        for path in paths
        if path.is_file() or not any(path.iterdir())
    }


def test_kill_9_in_every_kind_of_stage(root: Path, warm: None, tmp_path_factory: pytest.TempPathFactory) -> None:
    log = tmp_path_factory.mktemp("logs") / "log"
    changes = {}
    # `register` packs a model for MLflow in its first run only, so its second run is the usual one.
    for name in (*STAGES, "register"):
        code, changes[name] = kills.run(stage(name, log))
        assert code == 0, log.read_text()
    whole = content(root)
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "commit", "--force", "--quiet"], check=True)
    for name, (_, outputs) in STAGES.items():
        assert changes[name] >= 6
        own = {path for path in whole if any(path == output or path.startswith(f"{output}/") for output in outputs)}
        killed = 0
        for number in range(KILLS):
            # DVC removes the outputs of a stage before it runs; here the old ones stay half of the time.
            for path in map(root.joinpath, outputs if number % 4 > 1 else ()):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            code, _ = kills.run(stage(name, log), number * changes[name] // KILLS)
            killed += code < 0
            after = content(root)
            assert all(after.get(path) == data for path, data in whole.items() if path not in own)
            assert after.keys() <= whole.keys()
            assert all(data == whole[path] for path, data in after.items() if data), "an output is half-written"
            # Every other time, the next run is killed, too.
            if number % 2:
                code, _ = kills.run(stage(name, log))
                assert code == 0, log.read_text()
                assert content(root) == whole, (name, number)
        # Later runs make fewer changes, because some folders exist already.
        assert killed >= 0.75 * KILLS, name
    assert not list((root / ".anamnesis" / "tmp").iterdir())
    status = subprocess.run([*dvc, "status", "--json"], check=True, capture_output=True, text=True).stdout
    assert json.loads(status) == {}
