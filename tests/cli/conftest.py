"""Small projects in which commands run."""

from collections.abc import Callable
from pathlib import Path

import pytest
import toy_text
from click.testing import Result
from settings_files import write_settings
from toys import TOKENS, Toys, settings
from typer.testing import CliRunner

from anamnesis import cli, numerics

NAMES = [f"translation-{name}" for name in ("copy", "nearest", "attention")]
NAMES += ["classification-tfidf", "video-cnn", "language-uniform"]
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one experiment that is trained and evaluated, and one that is not."""
    return toy_text.make(tmp_path_factory.mktemp("project") / "hello")


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Toys:
    """A project with trained toys of several tasks."""
    toys = Toys(tmp_path_factory.mktemp("toys"))
    source = {"kind": "file", "path": "own.csv"}
    corpora = {
        "characters": {"reader": "text"},
        "pairs": {"reader": "pairs"},
        "documents": {"reader": "documents", "label": "label", "text": ["text"]},
        "images": {"reader": "digits"},
    }
    content = {
        "profile": "laptop",
        "corpora": {},
        "own_corpora": {name: {**corpus, "source": source} for name, corpus in corpora.items()},
        "tokens": {name: {"corpus": name, **TOKENS[name]} for name in corpora},
        "experiments": {name: settings(name).model_dump(mode="json", exclude_unset=True) for name in NAMES},
    }
    write_settings(toys.root, content)
    (toys.root / "dvc.yaml").write_text("stages: {}\n")
    for name in NAMES:
        toys.model(name)
    return toys


@pytest.fixture
def run(toys: Toys, monkeypatch: pytest.MonkeyPatch) -> Run:
    """run(command, argument, ..., stdin=b"", folder=PROJECT): the result of a command in the project of `toys`."""
    monkeypatch.setattr(numerics, "pin", lambda: None)

    def invoke(*arguments: str, stdin: bytes | None = None, folder: Path = toys.root) -> Result:
        monkeypatch.chdir(folder)
        return CliRunner().invoke(cli.app, arguments, input=stdin)

    return invoke
