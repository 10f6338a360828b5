"""Training a captioning model: the same bytes after an interruption and a second time, and what it writes."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from listener import Recorder

from anamnesis import models as folders
from anamnesis.data.stores.store import open_images
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.captioning import rows, saved
from anamnesis.tasks.captioning.nearest import Nearest
from anamnesis.tasks.captioning.reader import NetworkReader
from anamnesis.tasks.captioning.settings import Experiment
from anamnesis.tasks.captioning.train import train

from .conftest import NETWORKS

Make = Callable[..., Experiment]
FILES = {"model.json", "weights.safetensors", "history.csv", "samples.txt"}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_interrupted_and_run_again_gives_the_same_bytes(project: Path, experiment: Make) -> None:
    settings, folder = experiment("cnn-lstm"), project / "models" / "mine"
    train("mine", settings, project, Recorder())
    expected = content(folder)
    assert set(expected) == FILES
    train("mine", settings, project, Recorder())
    assert content(folder) == expected
    shutil.rmtree(folder)

    def kill(epoch: int) -> None:
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    stopped = Recorder(kill)
    with pytest.raises(SystemExit):
        train("mine", settings, project, stopped)
    assert stopped.ended == "failed"
    assert not folder.exists()
    assert list((project / ".anamnesis" / "checkpoints" / "mine").iterdir())
    train("mine", settings, project, Recorder())
    assert content(folder) == expected
    assert not list((project / ".anamnesis" / "checkpoints").glob("*/*"))


@pytest.mark.parametrize("architecture", NETWORKS)
def test_a_model_is_read_back_as_it_was_trained(project: Path, experiment: Make, architecture: str) -> None:
    watch, settings = Recorder(), experiment(architecture)
    train("mine", settings, project, watch)
    folder = project / "models" / "mine"
    model = saved.load(folder)
    assert isinstance(model, NetworkReader)
    assert model.card["fingerprint"] == watch.ended
    assert (model.card["task"], model.card["task"]) == ("captioning", "caption")
    assert model.card["parameters"] == sum(value.size for value in folders.read(folder)[1].values())
    # The weights are those of the best epoch, so they give that epoch's perplexity.
    valid = rows.make(open_images(project / "data" / "tokens" / "digits", "valid"), settings.rows, "valid")
    best = min(row["valid_perplexity"] for row in watch.rows.values())
    assert model.perplexity(valid) == pytest.approx(best, rel=1e-4)
    lines = (folder / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch,learning_rate,train_perplexity,valid_perplexity"
    shown = watch.samples[-1].splitlines()
    assert [line[:2] for line in shown] == ["= ", "< "] * 5
    assert [line[2:] for line in shown[::2]] == valid.captions()[:5]
    if model.card["best_epoch"] == 3:
        found = model.caption(valid.pixels[:5], 1)
        assert [line[2:] for line in shown[1::2]] == [best[0].text for best in found]


def test_the_floor_is_its_training_images(project: Path, experiment: Make) -> None:
    watch, settings = Recorder(), experiment("nearest")
    train("floor", settings, project, watch)
    model = saved.load(project / "models" / "floor")
    assert isinstance(model, Nearest)
    assert (model.card["fingerprint"], model.card["parameters"]) == (watch.ended, 0)
    known = rows.make(open_images(project / "data" / "tokens" / "digits", "train"), settings.rows, "train")
    assert model.known.sha256() == known.sha256()
    # Each training image is nearest to itself.
    assert [best[0].text for best in model.caption(known.pixels, 1)] == known.captions()


FORGERIES: dict[str, tuple[str, Callable[..., object], str]] = {
    "an array too few": ("cnn-gru", lambda card, weights: weights.pop("output.bias"), "the weights are not those"),
    "another shape": (
        "cnn-gru",
        lambda card, weights: weights.update({"output.bias": weights["output.bias"][1:]}),
        "the weights are not those",
    ),
    "billions of units": (
        "cnn-gru", lambda card, weights: card["model"].update(hidden=65536, channels=65536), "the weights are not those"
    ),
    "other images": ("cnn-gru", lambda card, weights: card["rows"].update(longest=9), "the weights are not those"),
    "another cell": (
        "cnn-gru", lambda card, weights: card["model"].update(architecture="cnn-lstm"), "the weights are not those"
    ),
    "no rows": ("cnn-gru", lambda card, weights: card.pop("rows"), "not a model that captions"),
    "no search": ("cnn-gru", lambda card, weights: card.pop("search"), "not a model that captions"),
    "another task": ("cnn-gru", lambda card, weights: card.update(task="language"), "not a model that captions"),
    "no such model": ("cnn-gru", lambda card, weights: card["model"].update(architecture="x"), "not a model that capt"),
    "an image too few": (
        "nearest", lambda card, weights: weights.update(pixels=weights["pixels"][1:]), "the arrays are not the images"
    ),
    "no digit": (
        "nearest", lambda card, weights: weights["digits"].__setitem__((0, 0), 10), "the arrays are not the images"
    ),
    "no digits": ("nearest", lambda card, weights: weights["counts"].fill(0), "the arrays are not the images"),
    "too many digits": ("nearest", lambda card, weights: weights["counts"].fill(5), "the arrays are not the images"),
}  # fmt: skip


@pytest.mark.parametrize(("architecture", "change", "said"), FORGERIES.values(), ids=FORGERIES)
def test_a_forged_model_is_refused_in_one_line(
    project: Path, experiment: Make, architecture: str, change: Callable[..., object], said: str
) -> None:
    once = {"training": {"epochs": 1, "learning_rate": 0.01}} if architecture != "nearest" else {}
    train("mine", experiment(architecture, rows={"train": 8, "valid": 4}, **once), project, Recorder())
    folder = project / "models" / "mine"
    card, weights = folders.read(folder)
    weights = {name: value.copy() for name, value in weights.items()}
    change(card, weights)
    folders.save(folder, weights, card, {})
    with pytest.raises(AnamnesisError, match=said) as caught:
        saved.load(folder)
    assert "\n" not in str(caught.value)


def test_a_damaged_model_is_refused(project: Path, experiment: Make) -> None:
    train("mine", experiment("nearest"), project, Recorder())
    path = project / "models" / "mine" / "weights.safetensors"
    data = np.frombuffer(path.read_bytes(), np.uint8).copy()
    data[-1] ^= 1
    path.write_bytes(data.tobytes())
    with pytest.raises(AnamnesisError, match=r"weights\.safetensors"):
        saved.load(path.parent)
