"""`anamnesis classify`: documents, passages and videos, line by line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from listener import Recorder
from settings_files import write_settings
from typer.testing import CliRunner

from anamnesis import cli, numerics
from anamnesis import models as folders
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.classification.settings import Experiment
from anamnesis.tasks.labels import saved
from anamnesis.tasks.labels.train import train

Classify = Callable[..., list[str]]
TEXTS = ["Wheat prices rose.", "oil fell", "a vessel"]


@pytest.fixture(scope="module")
def root(stores: Path, experiment: Callable[..., Experiment], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two classifiers of documents and, of others, what the command needs to know."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "data").mkdir()
    (folder / "data" / "tokens").symlink_to(stores / "data" / "tokens")
    experiments = {
        "small-tfidf": experiment({"architecture": "tfidf"}),
        "small-gru": experiment(training={"epochs": 1, "learning_rate": 0.01}),
    }
    for name, settings in experiments.items():
        train(name, settings, folder, Recorder())
    histogram, cnn, uniform = ({"architecture": name} for name in ("histogram", "cnn", "uniform"))
    others = {
        "authors": {"task": "language", "objective": "passage", "tokens": "letters", "model": histogram},
        "videos": {"task": "classification", "reads": "videos", "tokens": "digits", "model": cnn},
        "next": {"task": "language", "objective": "next-token", "tokens": "text", "model": uniform},
    }
    for name, card in others.items():
        (folder / "models" / name).mkdir()
        folders.save(folder / "models" / name, {}, card, {})
    trained, source = {"training": {"epochs": 1, "learning_rate": 0.1}}, {"kind": "file", "path": "some.csv"}
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
            "letters": {"corpus": "small", "kind": "characters"},
            "digits": {"corpus": "digits", "kind": "images"},
            "text": {"corpus": "text", "kind": "characters"},
        },
        "experiments": {
            **{name: settings.model_dump(mode="json") for name, settings in experiments.items()},
            **{name: card | (trained if name != "next" else {}) for name, card in others.items()},
        },
    }
    write_settings(folder, content)
    (folder / "dvc.yaml").write_text("stages: {}\n")
    return folder


@pytest.fixture
def classify(root: Path, monkeypatch: pytest.MonkeyPatch) -> Classify:
    """A function: the command's lines, run in a folder of the project in this process, or the error that it raises."""
    monkeypatch.setattr(numerics, "pin", lambda: None)

    def run(*arguments: str, stdin: bytes | None = None, folder: Path = root) -> list[str]:
        monkeypatch.chdir(folder)
        done = CliRunner().invoke(cli.app, ["classify", *arguments], input=stdin)
        if done.exception is not None:
            assert done.stdout == ""
            raise done.exception
        return done.stdout.split("\n")[:-1]

    return run


@pytest.mark.parametrize("model", ["small-tfidf", "small-gru"])
def test_a_line_a_label(classify: Classify, root: Path, model: str) -> None:
    expected = [found[0][0] for found in saved.load(root / "models" / model).classify(TEXTS)]
    if model == "small-tfidf":
        assert expected == ["grain", "crude", "ship"]
    assert classify("--model", model, *TEXTS) == expected
    lines = [TEXTS[0], "", TEXTS[1], "  ", TEXTS[2]]
    kept = [expected[0], "", expected[1], "", expected[2]]
    for stdin in ("\n".join(lines), "\r\n".join([*lines, ""])):
        assert classify("--model", model, stdin=stdin.encode()) == kept
    assert classify("--model", model, stdin=b"") == []


@pytest.mark.parametrize("top", [1, 2, 3])
def test_top_labels_with_their_probabilities(classify: Classify, root: Path, top: int) -> None:
    found = saved.load(root / "models" / "small-tfidf").classify(TEXTS[:2])
    expected = []
    for text, likeliest in zip(TEXTS, found, strict=False):
        rows = [f"{label}\t{probability:.4f}" for label, probability in likeliest[:top]]
        expected += ["", text, "label\tprobability", *rows]
    assert classify("--model", "small-tfidf", "--top", str(top), *TEXTS[:2]) == expected


class Told:
    """A model that only remembers what it is asked."""

    def __init__(self, card: dict[str, Any]) -> None:
        self.card, self.asked = card, []

    def classify(self, given: list[Any]) -> list[list[tuple[str, float]]]:
        self.asked = given
        return [[("3 up\x1b[1m", 0.75), ("8 up", 0.25)] for _ in given]


@pytest.mark.parametrize(("name", "serving"), [("authors", "language"), ("videos", "classification")])
def test_passages_are_texts_and_videos_are_files_from_here(
    classify: Classify, root: Path, monkeypatch: pytest.MonkeyPatch, name: str, serving: str
) -> None:
    from importlib import import_module

    told = Told(json.loads((root / "models" / name / "model.json").read_text()))
    monkeypatch.setattr(import_module(f"anamnesis.{serving}.serving"), "load", lambda folder: told)
    # Whoever made a model may have named its labels for a terminal to obey.
    assert classify("--model", name, "a.gif", folder=root / "data") == ["3 up[1m"]
    assert told.asked == ([root / "data" / "a.gif"] if name == "videos" else ["a.gif"])
    assert classify("--model", name, "--top", "2", "a.gif", folder=root)[-2:] == ["3 up[1m\t0.7500", "8 up\t0.2500"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "next", "a"], "next is a language model; `classify` needs a classifier, such as small-tfidf"),
        (["--model", "small-tfidf", "--top", "4", "a"], "--top: found 4; allowed: from 1 to 3, the number of labels"),
        (["--model", "small-tfid", "a"], "no experiment is named 'small-tfid'; did you mean 'small-tfidf'?"),
        (["--model", "small-gru", "a", "b\udcff"], "text 2: character 2 is not UTF-8"),
    ],
)
def test_what_is_refused(classify: Classify, arguments: list[str], said: str) -> None:
    with pytest.raises(AnamnesisError) as error:
        classify(*arguments)
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


def test_the_name_of_a_file_as_a_text_gets_a_note(
    classify: Classify, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    done = CliRunner().invoke(cli.app, ["classify", "--model", "small-tfidf", "params.yaml", "oil fell"])
    assert done.stdout.splitlines()[1] == "crude"
    assert done.stderr == "note: params.yaml is a file, of which only the name was read; did you mean < params.yaml?\n"


def test_a_video_that_cannot_be_read_costs_its_own_line(
    classify: Classify, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anamnesis.tasks.labels import serving

    told = Told(json.loads((root / "models" / "videos" / "model.json").read_text()))
    answer = told.classify

    def read(paths: list[Any]) -> list[list[tuple[str, float]]]:
        if paths[0].name == "bad.gif":
            raise AnamnesisError("bad.gif: not a GIF file")
        return answer(paths)

    monkeypatch.setattr(told, "classify", read)
    monkeypatch.setattr(serving, "load", lambda folder: told)
    monkeypatch.chdir(root)
    done = CliRunner().invoke(cli.app, ["classify", "--model", "videos", "a.gif", "bad.gif", "c.gif"])
    assert (done.exit_code, done.stdout) == (1, "3 up[1m\n\n3 up[1m\n")
    assert done.stderr == "error: bad.gif: not a GIF file\n"


def test_without_a_model_the_only_registered_champion_classifies(
    classify: Classify, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anamnesis.tracking import registry

    monkeypatch.setattr(registry, "only", lambda board: f"{board}-small")
    monkeypatch.setattr(
        registry, "resolve", {"classification-small@champion": root / "models" / "small-tfidf"}.__getitem__
    )
    assert classify("oil") == ["crude"]
