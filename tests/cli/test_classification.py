"""`anamnesis classify`: documents and videos, line by line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from settings_files import write_settings
from typer.testing import CliRunner

from anamnesis import cli, models, numerics
from anamnesis.errors import AnamnesisError

LABELS = ["crude", "grain", "3 up\x1b[1m"]
CARDS: dict[str, dict[str, Any]] = {
    "topics": {"task": "classification", "tokens": "words", "model": {"architecture": "tfidf"}, "labels": LABELS},
    "videos": {
        "task": "video",
        "tokens": "digits",
        "model": {"architecture": "cnn"},
        "training": {"epochs": 1, "learning_rate": 0.1},
        "labels": LABELS,
    },
    "next": {"task": "language", "tokens": "text", "model": {"architecture": "uniform"}},
}
Run = Callable[..., Any]


class Classifier:
    """Remembers what it is given. The first label is that of a text with "oil", the last one that of any video."""

    size = 20

    def __init__(self, card: dict[str, Any]) -> None:
        self.card = card

    def classify(self, given: Any) -> Any:
        if self.card["task"] == "video":
            return [(LABELS[2], 0.75), (LABELS[0], 0.25)]
        rows = [[(LABELS["oil" not in text], 0.75), (LABELS["oil" in text], 0.2), (LABELS[2], 0.05)] for text in given]
        return [row if text.strip() else [] for text, row in zip(given, rows, strict=True)]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with three models, whose weights are replaced by fixed answers; a video is any file but bad.gif."""

    def read(path: Path, size: int) -> str:
        if path.name == "bad.gif":
            raise AnamnesisError("bad.gif: not a GIF file")
        return str(path.read_bytes())

    for name, card in CARDS.items():
        models.save(tmp_path / "models" / name, {}, card, {})
    source = {"kind": "file", "path": "some.csv"}
    content = {
        "profile": "laptop",
        "own_corpora": {
            "small": {"reader": "documents", "source": source, "label": "label", "text": ["text"]},
            "digits": {"reader": "digits", "source": source},
        },
        "corpora": {
            "text": {"reader": "text", "source": {"kind": "literal", "text": "hello", "same": True}, "minimum": 2},
        },
        "tokens": {
            "words": {"corpus": "small", "kind": "words"},
            "digits": {"corpus": "digits", "kind": "images"},
            "text": {"corpus": "text", "kind": "characters"},
        },
        "experiments": {name: {k: v for k, v in card.items() if k != "labels"} for name, card in CARDS.items()},
    }
    write_settings(tmp_path, content)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.setattr(numerics, "pin", lambda: None)
    monkeypatch.setattr(models, "load", lambda folder: Classifier(models.read_card(folder)))
    monkeypatch.setattr("anamnesis.tasks.video.evaluation.gif.read", read)
    return tmp_path


@pytest.fixture
def run(root: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """run(argument, ..., stdin=b"", folder=root): the result of the command in a folder of the project."""

    def invoke(*arguments: str, stdin: bytes | None = None, folder: Path = root) -> Any:
        monkeypatch.chdir(folder)
        return CliRunner().invoke(cli.app, ["classify", *arguments], input=stdin)

    return invoke


def test_each_text_has_a_line_and_a_blank_one_a_blank_line(run: Run) -> None:
    assert run("--model", "topics", "Wheat rose.", "oil fell").stdout == "grain\ncrude\n"
    for stdin in (b"oil\n\nwheat\n  \noil", b"oil\r\n\r\nwheat\r\n  \r\noil\r\n"):
        assert run("--model", "topics", stdin=stdin).stdout == "crude\n\ngrain\n\ncrude\n"
    assert run("--model", "topics", stdin=b"").stdout == ""


def test_top_labels_with_their_probabilities(run: Run) -> None:
    expected = "\noil\nlabel\tprobability\ncrude\t0.7500\ngrain\t0.2000\n"
    assert run("--model", "topics", "--top", "2", "oil", " ").stdout == expected


def test_videos_are_files_of_the_working_directory(run: Run, root: Path) -> None:
    (root / "data").mkdir()
    (root / "data" / "a.gif").write_bytes(b"a video")
    found = run("--model", "videos", "a.gif", "bad.gif", "a.gif", folder=root / "data")
    # A label cannot steer the terminal.
    assert (found.exit_code, found.stdout) == (1, "3 up[1m\n\n3 up[1m\n")
    assert found.stderr == "error: bad.gif: not a GIF file\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "next", "a"], "next is a language model; `classify` needs a classifier, such as topics"),
        (["--model", "topics", "--top", "4", "a"], "--top: found 4; allowed: from 1 to 3, the number of labels"),
        (["--model", "topics", "a", "b\udcff"], "text 2: character 2 is not UTF-8"),
    ],
)
def test_what_does_not_fit_is_refused(run: Run, arguments: list[str], message: str) -> None:
    error = run(*arguments).exception
    assert isinstance(error, AnamnesisError)
    assert str(error) == message


def test_the_name_of_a_file_as_a_text_gets_a_note(run: Run) -> None:
    found = run("--model", "topics", "params.yaml", "oil fell")
    assert found.stdout == "grain\ncrude\n"
    assert (
        found.stderr == "note: params.yaml is a file, but only its name was used as text; did you mean < params.yaml?\n"
    )
