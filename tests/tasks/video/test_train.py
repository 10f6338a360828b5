"""Training, storing, scoring and serving a classifier of videos, end to end in a small project."""

import base64
import csv
import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anamnesis.tasks.video.classifier import Classifier
from anamnesis.tasks.video.videos import CLASSES, DIRECTIONS, open_videos
from listener import Recorder
from safetensors import numpy as safetensors

from anamnesis import models as folders
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.labels import evaluation, saved, serving
from anamnesis.tasks.labels.train import train
from anamnesis.tasks.video import gif
from anamnesis.tasks.video.settings import Experiment

from .conftest import MODELS, write_store

Make = Callable[..., Experiment]
ONCE = {"training": {"epochs": 1}}


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("architecture", MODELS)
def test_interrupted_and_run_again_gives_the_same_bytes(project: Path, experiment: Make, architecture: str) -> None:
    settings = experiment(architecture)
    train("mine", settings, project, Recorder())
    folder = project / "models" / "mine"
    expected = content(folder)
    assert set(expected) == {"model.json", "weights.safetensors", "history.csv"}
    train("mine", settings, project, Recorder())
    assert content(folder) == expected
    shutil.rmtree(folder)

    def kill(epoch: int) -> None:
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit):
        train("mine", settings, project, Recorder(kill))
    assert not folder.exists()
    assert list((project / ".anamnesis" / "checkpoints" / "mine").iterdir())
    resumed = Recorder()
    train("mine", settings, project, resumed)
    # The first epoch is not trained again.
    assert min(resumed.rows) > 1
    assert content(folder) == expected
    assert resumed.ended == folders.read_card(folder)["fingerprint"]


def test_killed_between_two_checkpoints_of_an_epoch(
    project: Path, experiment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anamnesis.tasks.labels.module import ClassificationModule

    train("mine", experiment(), project, Recorder())
    expected = content(project / "models" / "mine")
    shutil.rmtree(project / "models")
    step, taken = ClassificationModule.training_step, []

    def counted(self: ClassificationModule, batch: Any, batch_idx: int) -> Any:
        taken.append(batch_idx)
        if len(taken) == 7:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    monkeypatch.setattr(ClassificationModule, "training_step", counted)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train("mine", experiment(), project, Recorder())
    taken[:] = range(100)
    train("mine", experiment(), project, Recorder())
    # A checkpoint after four batches; two more were lost.
    assert taken[100] == 4
    assert content(project / "models" / "mine") == expected


def test_the_test_split_plays_no_part_in_training(project: Path, experiment: Make) -> None:
    train("mine", experiment(**ONCE), project, Recorder())
    expected = content(project / "models" / "mine")["weights.safetensors"]
    for name in ("test.npy", "test.labels.npy"):
        (project / "data" / "tokens" / "images" / name).write_bytes(b"none")
    train("mine", experiment(**ONCE), project, Recorder())
    assert content(project / "models" / "mine")["weights.safetensors"] == expected


@pytest.mark.parametrize("architecture", MODELS)
def test_a_model_comes_back_as_it_was_at_its_best(project: Path, experiment: Make, architecture: str) -> None:
    watch, settings = Recorder(), experiment(architecture)
    train("mine", settings, project, watch)
    model = saved.load(project / "models" / "mine")
    assert isinstance(model, Classifier)
    assert not model.network.training
    card = model.card
    assert (card["task"], card["architecture"], card["labels"]) == ("frames", architecture, CLASSES)
    assert card["parameters"] == sum(value.size for value in folders.read(project / "models" / "mine")[1].values())
    valid = open_videos(project / "data" / "tokens" / "images", "valid", settings.videos)
    probabilities = model.probabilities(valid.videos)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    told = watch.rows[card["best_epoch"]]
    assert (probabilities.argmax(1) == valid.labels).mean() == pytest.approx(told["valid_accuracy"])
    loss = -np.log(probabilities[np.arange(len(valid)), valid.labels]).mean()
    assert loss == pytest.approx(told["valid_loss"], rel=1e-4)
    assert loss == pytest.approx(min(row["valid_loss"] for row in watch.rows.values()), rel=1e-4)


def test_evaluation(project: Path, experiment: Make) -> None:
    settings = experiment(training={"epochs": 4})
    train("mine", settings, project, Recorder())
    evaluation.evaluate("mine", settings, project)
    metrics = json.loads((project / "metrics" / "mine.json").read_text())
    folder, store = project / "predictions" / "mine", project / "data" / "tokens" / "images"
    model = saved.load(project / "models" / "mine")
    assert metrics["board"] == "frames"
    for split in ("valid", "test"):
        made = open_videos(store, split, settings.videos)
        told = [CLASSES[row.argmax()] for row in model.probabilities(made.videos)]
        actual = [CLASSES[label] for label in made.labels]
        pairs = list(zip(actual, told, strict=True))
        found = metrics[split]
        assert found["videos"] == len(pairs)
        assert found["accuracy"] == pytest.approx(np.mean([one == other for one, other in pairs]), rel=1e-5)
        for place, name in enumerate(("digit_accuracy", "direction_accuracy")):
            hits = [one.split()[place] == other.split()[place] for one, other in pairs]
            assert found[name] == pytest.approx(np.mean(hits), rel=1e-5)
        scores = []
        for label in {*actual, *told}:
            both = sum(one == other == label for one, other in pairs)
            scores.append(2 * both / (actual.count(label) + told.count(label)))
        assert found["macro_f1"] == pytest.approx(np.mean(scores), rel=1e-5)
        assert metrics["data"][split] == made.sha256()
    for place, (name, labels) in enumerate((("confusion", list(map(str, range(10)))), ("directions", [*DIRECTIONS]))):
        with open(folder / f"{name}.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [(row["actual"], row["predicted"]) for row in rows] == [(one, two) for one in labels for two in labels]
        counts = Counter((one.split()[place], other.split()[place]) for one, other in pairs)
        assert {(row["actual"], row["predicted"]): int(row["count"]) for row in rows if row["count"] != "0"} == counts
    assert (folder / "curve.csv").read_text().startswith("experiment,epoch,learning_rate,train_loss,valid_loss,")
    shown = sorted((folder / "videos").iterdir())
    assert [path.name for path in shown] == [
        f"{number:02}-{label.replace(' ', '-')}.gif" for number, label in enumerate(actual[:6], 1)
    ]
    # A user who asks about these files is told what the evaluation was.
    answers = model.classify(shown)
    assert [ranked[0][0] for ranked in answers] == told[:6]
    for video, ranked in zip(made.videos, answers, strict=False):
        expected = model.probabilities(video[None])[0]
        assert [CLASSES.index(label) for label, _ in ranked] == np.argsort(-expected, kind="stable").tolist()
        np.testing.assert_allclose([value for _, value in ranked], np.sort(expected)[::-1], rtol=1e-5)
    before = content(folder)
    evaluation.evaluate("mine", settings, project)
    assert content(folder) == before


@pytest.mark.parametrize("change", ["videos", "images"])
def test_other_videos_than_those_of_the_training_are_refused(project: Path, experiment: Make, change: str) -> None:
    settings = experiment(**ONCE)
    train("mine", settings, project, Recorder())
    if change == "videos":
        settings = experiment(**ONCE, videos={"seed": 2})
    else:
        write_store(project, seed=2)
    with pytest.raises(AnamnesisError, match=r"trained on other videos than .* run `anamnesis repro mine`"):
        evaluation.evaluate("mine", settings, project)
    assert not (project / "metrics" / "mine.json").exists()


def test_videos_longer_and_shorter_than_those_of_the_training(project: Path, experiment: Make) -> None:
    train("mine", experiment(**ONCE), project, Recorder())
    model = saved.load(project / "models" / "mine")
    videos = [np.zeros((frames, 14, 14), np.uint8) for frames in (2, 5, 40)]
    assert [len(ranked) for ranked in model.of_videos(videos)] == [80, 80, 80]


@pytest.mark.parametrize("architecture", MODELS)
def test_serving(project: Path, experiment: Make, architecture: str) -> None:
    train("mine", experiment(architecture, **ONCE), project, Recorder())
    model = serving.load(project / "models" / "mine")
    texts, options = serving.example(model.card)
    assert (texts, options) == serving.example(model.card)
    [text] = texts
    video = gif.parsed(base64.b64decode(text), 14, "it")
    assert video.shape == (5, 14, 14)
    expected = CLASSES[model.probabilities(video[None])[0].argmax()]
    # Line breaks, as the usual tools write them.
    broken = "\n".join(text[place : place + 76] for place in range(0, len(text), 76))
    assert serving.answer(model, [text, broken], options) == [expected, expected]
    assert serving.answer(model, [], options) == []
    for wrong, reason in (("hello!", "not a GIF file in base64"), ("aGVsbG8=", "not a GIF file, or a damaged one")):
        with pytest.raises(AnamnesisError, match=f"video 2: {reason}"):
            serving.answer(model, [text, wrong], options)


def altered(folder: Path, change: Callable[[dict[str, Any], dict[str, Any]], object]) -> None:
    """Change card and weights, and make the digests right again, as one would who means harm."""
    card, weights = (
        json.loads((folder / "model.json").read_text()),
        dict(safetensors.load((folder / "weights.safetensors").read_bytes())),
    )
    change(card, weights)
    kept = {key: value for key, value in card.items() if key not in ("format", "files", "fingerprint")}
    folders.save(folder, weights, kept, {})


CHANGES: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "other sizes": lambda card, weights: card["model"].update(hidden=2**16),
    "another field": lambda card, weights: card["videos"].update(size=512),
    "another network": lambda card, weights: card.update(model=MODELS["lstm"]),
    "unknown network": lambda card, weights: card["model"].update(architecture="oracle"),
    "no videos": lambda card, weights: card.pop("videos"),
    "other labels": lambda card, weights: card.update(labels=CLASSES[::-1]),
    "a weight less": lambda card, weights: weights.popitem(),
    "another type": lambda card, weights: weights.update({"output.bias": weights["output.bias"].astype(np.float64)}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_that_does_not_fit_itself(project: Path, experiment: Make, change: str) -> None:
    train("mine", experiment(**ONCE), project, Recorder())
    folder = project / "models" / "mine"
    altered(folder, lambda card, weights: None)
    saved.load(folder)
    altered(folder, CHANGES[change])
    with pytest.raises(
        AnamnesisError, match=r"models/mine.*: (not a model that tells what videos|the weights are not)"
    ):
        saved.load(folder)


@pytest.mark.parametrize("name", ["weights.safetensors", "model.json"])
def test_a_damaged_file(project: Path, experiment: Make, name: str) -> None:
    train("mine", experiment(**ONCE), project, Recorder())
    path = project / "models" / "mine" / name
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)
    with pytest.raises(AnamnesisError) as caught:
        saved.load(path.parent)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_both_parts_are_needed(project: Path, experiment: Make) -> None:
    """On drawn digits: convolutions alone do not tell the direction, with an LSTM they do."""
    videos = {"train": 800, "valid": 160, "noise": 0.05, "frames": 4, "speed": 2.0, "size": 18}
    block = {"videos": videos, "training": {"epochs": 5, "learning_rate": 0.01, "checkpoint_steps": 100}}
    rows = {}
    for architecture, model in (("cnn-lstm", {"channels": 4, "features": 32, "hidden": 24}), ("cnn", {"channels": 4})):
        watch = Recorder()
        settings = experiment(architecture, model=model | {"dropout": 0.0}, batch=16, **block)
        train(architecture, settings, project, watch)
        valid = open_videos(project / "data" / "tokens" / "images", "valid", settings.videos)
        found = saved.load(project / "models" / architecture).probabilities(valid.videos).argmax(1)
        rows[architecture] = [(found // 8 == valid.labels // 8).mean(), (found % 8 == valid.labels % 8).mean()]
    assert min(rows["cnn-lstm"]) > 0.8
    assert rows["cnn"][0] > 0.8
    # One in eight by chance.
    assert rows["cnn"][1] < 0.25


def test_a_store_of_something_else(tmp_path: Path, experiment: Make) -> None:
    from anamnesis.data.stores import store
    from anamnesis.data.tokenizers.settings import Characters

    (tmp_path / "text.txt").write_text("some text\n" * 9)
    sources = dict.fromkeys(store.SPLITS, tmp_path / "text.txt")
    store.write(tmp_path / "data" / "tokens" / "images", Characters(corpus="x", kind="characters"), sources)
    with pytest.raises(AnamnesisError, match="tokens/images"):
        train("mine", experiment(), tmp_path, Recorder())
