"""A user's project with texts of their own, in temporary folders; the real stages run in it."""

import copy
import json
import os
import pydoc_data.topics
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from settings_files import write_settings

from anamnesis import files

REPOSITORY = Path(__file__).parents[2]
# Files of the pipeline; the tests write settings and texts of their own.
PARTS = ("src/anamnesis", "pipelines", "cells", "dvc.yaml", ".dvc", ".dvcignore", ".gitignore", "data/own/README.md")
OUTPUTS = ("data/raw", "data/tokens", "models", "metrics", "predictions", "reports", "dvc.lock")
NOISE = shutil.ignore_patterns("__pycache__", "cache", "tmp", "config.local", "state.db")


class Project:
    """The project's folder, with the commands that a user runs in it."""

    def __init__(self, root: Path, shared: Path) -> None:
        self.root = root
        outside = ("MLFLOW_", "DVC_", "ANAMNESIS_TRACKING", "ANAMNESIS_MIRROR")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(outside)} | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(root / "src"),
            "ANAMNESIS_CACHE": str(shared / "downloads"),
            "DVC_SITE_CACHE_DIR": str(shared / "dvc"),
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "COLUMNS": "200",
        }

    def popen(self, *command: str) -> "subprocess.Popen[str]":
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=self.root, env=self.environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )

    def run(self, *command: str, code: int | None = 0) -> "subprocess.CompletedProcess[str]":
        process = self.popen(*command)
        out, err = process.communicate()
        assert code is None or process.returncode == code, f"{command}: {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def dvc(self, *arguments: str, code: int | None = 0) -> "subprocess.CompletedProcess[str]":
        return self.run(sys.executable, "-m", "dvc", *arguments, code=code)

    def repro(self) -> set[str]:
        """Run a plain `dvc repro`; returns the stages that ran."""
        lines = self.dvc("repro").stdout.splitlines()
        return {line.split("'")[1] for line in lines if line.startswith("Running stage '")}

    def anamnesis(self, *arguments: str, code: int | None = 0) -> "subprocess.CompletedProcess[str]":
        return self.run(sys.executable, "-m", "anamnesis.cli", *arguments, code=code)

    def stage(self, script: str, *arguments: str, code: int | None = 0) -> "subprocess.CompletedProcess[str]":
        return self.run(sys.executable, "-P", f"pipelines/{script}.py", *arguments, code=code)

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        return self.run("git", *identity, *arguments).stdout

    def read(self, path: str) -> Any:
        """The content of a JSON file."""
        return json.loads((self.root / path).read_text())

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query to MLflow's database."""
        with closing(sqlite3.connect(self.root / "mlflow.db")) as database:
            return database.execute(sql).fetchall()

    def edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        path = self.root / "params.yaml"
        content = yaml.safe_load(path.read_text())
        change(content)
        path.write_text(yaml.safe_dump(content, sort_keys=False))

    def outputs(self) -> dict[str, bytes]:
        """The bytes of every output file, by path."""
        paths = [path for name in OUTPUTS for path in [self.root / name, *(self.root / name).rglob("*")]]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in paths if path.is_file()}

    def kill_training(self, name: str) -> None:
        """Start `dvc repro`, and kill the training process as soon as it has written a new checkpoint."""
        folder = self.root / ".anamnesis" / "checkpoints" / name

        def checkpoints() -> set[tuple[str, int, int]]:
            try:
                paths = [path for path in folder.rglob("[!.]*") if path.is_file()]
                return {(str(path), path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}
            except FileNotFoundError:
                return set()

        before = checkpoints()
        dvc = self.popen(sys.executable, "-m", "dvc", "repro", f"train@{name}")
        while checkpoints() <= before:
            assert dvc.poll() is None, dvc.communicate()
            time.sleep(0.002)
        scripts = [
            process
            for process in psutil.Process(dvc.pid).children(recursive=True)
            if "pipelines/train.py" in process.cmdline() and not process.children()
        ]
        assert len(scripts) == 1
        scripts[0].kill()
        out, err = dvc.communicate()
        assert dvc.returncode != 0, out + err
        assert f"failed to reproduce 'train@{name}'" in err
        assert not (self.root / "models" / name).exists(), "the training had ended before it was killed"


@pytest.fixture(scope="session")
def readme() -> dict[str, Any]:
    """The entries that README.md tells a user to add, and the corpus `bench` with the splits of data/own/README.md.

    The network starts from random weights here, because there is no corpus for a pre-trained one.
    """
    text = (REPOSITORY / "README.md").read_text()
    section = text.partition("\n## Your own text\n")[2].partition("\n## ")[0]
    content: dict[str, Any] = {}
    for block in re.findall(r"^ *```yaml\n(.*?)^ *```", section, re.S | re.M):
        content |= yaml.safe_load(block)
    own = (REPOSITORY / "data" / "own" / "README.md").read_text()
    splits = re.search(r"source: (\{kind: file, train:[^}]*\})", own).group(1)
    content["own_corpora"]["bench"] = {"reader": "text", "source": yaml.safe_load(splits), "minimum": 200}
    content["experiments"] = content.pop("dependent")
    del content["experiments"]["mybook-lstm"]["needs"]
    return content


def budgets(content: dict[str, Any]) -> dict[str, Any]:
    """The README's entries with small budgets, and baselines on words of the second corpus."""
    lstm = content["experiments"]["mybook-lstm"]
    lstm["model"]["hidden"] = 32
    lstm["batches"] = {"kind": "streams", "batch": 4, "steps": 50}
    lstm["training"] |= {"epochs": 2, "checkpoint_steps": 90}
    content["tokens"]["bench-words"] = {"corpus": "bench", "kind": "words"}
    for name, model in (("uniform", {"architecture": "uniform"}), ("ngram3", {"architecture": "ngram", "order": 3})):
        content["experiments"][f"bench-{name}"] = {"task": "language", "tokens": "bench-words", "model": model}
    for experiment in content["experiments"].values():
        experiment.setdefault("sampling", {})["length"] = 40
    return content


def texts(folder: Path) -> None:
    """Write the user's files: 30,000 characters of a book, and a benchmark on whose test split n-grams are bad."""
    topics = [pydoc_data.topics.topics[name] for name in sorted(pydoc_data.topics.topics)]
    book = "\n".join(topics)
    words = re.findall(r"[a-z]{4,}", book[30_000:60_000])
    rare = sorted({word for word in words if words.count(word) == 1})
    for name, text in {
        "mybook/mybook.txt": book[:30_000],
        "bench/train.txt": book[30_000:60_000],
        "bench/valid.txt": book[60_000:64_000],
        "bench/test.txt": "\n".join(rare) + "\n",
    }.items():
        files.write_text(folder / name, text)


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory, readme: dict[str, Any]) -> Callable[[str], Project]:
    """make(NAME): a new project of the user, committed; nothing has run."""
    shared = tmp_path_factory.mktemp("shared")

    def new(name: str) -> Project:
        root = tmp_path_factory.mktemp(name) / "project"
        for part in PARTS:
            source, target = REPOSITORY / part, root / part
            if source.is_dir():
                shutil.copytree(source, target, ignore=NOISE)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        texts(root / "data" / "own")
        content = {"profile": "laptop", "corpora": {}, **copy.deepcopy(readme), "dependent": {}}
        write_settings(root, budgets(content))
        project = Project(root, shared)
        project.git("init", "--quiet")
        project.git("add", "--all")
        project.git("commit", "--quiet", "--message", "mine")
        return project

    return new


@pytest.fixture(scope="session")
def finished(make: Callable[[str], Project]) -> Project:
    """The project after `anamnesis repro`, with its dvc.lock committed. Tests must not change it."""
    project = make("finished")
    project.printed = project.anamnesis("repro", "-j", "2").stdout
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", "results")
    return project


@pytest.fixture
def copied(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project with its cache, which a test may change."""
    root = tmp_path / "project"
    working = shutil.ignore_patterns(".anamnesis", "mlflow.db", "mlartifacts", "__pycache__")
    shutil.copytree(finished.root, root, ignore=working)
    return Project(root, tmp_path)


@pytest.fixture
def clone(finished: Project, tmp_path: Path) -> Project:
    """A clone of the finished project's commit, without results or a cache."""
    root = tmp_path / "project"
    finished.git("clone", "--quiet", str(finished.root), str(root))
    return Project(root, tmp_path)
