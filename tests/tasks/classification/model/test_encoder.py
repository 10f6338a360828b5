"""A language model as encoder: frozen, random and fine-tuned."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from listener import Recorder

from anamnesis import models
from anamnesis.stages.train import train
from anamnesis.tasks.classification.model.batches import pad
from anamnesis.tasks.classification.model.documents import open_split
from anamnesis.tasks.classification.model.encoder import FineTuned, new_encoder, summaries
from anamnesis.tasks.classification.model.features import Head
from anamnesis.tasks.classification.settings import Experiment
from anamnesis.training.fit import seed

from ..conftest import passages, write_store

Make = Callable[..., Experiment]
ONCE = {"epochs": 1}


def stored(project: Path, name: str = "ours", prefix: str = "encoder.") -> dict[str, np.ndarray]:
    weights = models.read(project / "models" / name)[1]
    return {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}


def test_frozen_weights_are_the_language_models_and_random_ones_are_drawn(project: Path, experiment: Make) -> None:
    train("frozen", experiment("language-model", training=ONCE), project, Recorder())
    train("random", experiment("language-model", model={"untrained": True}, training=ONCE), project, Recorder())
    start = {key: value for key, value in stored(project, "start", "").items() if "softmax" not in key}
    frozen, random = stored(project, "frozen"), stored(project, "random")
    assert start.keys() == frozen.keys() == random.keys()
    seed(1)
    card = models.read_card(project / "models" / "start")
    drawn = new_encoder(project, card["model"], len(start["embedding.weight"]))
    for name, value in start.items():
        np.testing.assert_array_equal(frozen[name], value)
        np.testing.assert_array_equal(random[name], drawn.get_parameter(name).detach().numpy())


@pytest.mark.parametrize("untrained", [False, True])
def test_fine_tuning_trains_every_weight(project: Path, experiment: Make, untrained: bool) -> None:
    settings = experiment("language-model", model={"finetune": True, "untrained": untrained}, training=ONCE)
    train("ours", settings, project, Recorder())
    frozen = experiment("language-model", model={"untrained": untrained}, training=ONCE)
    train("frozen", frozen, project, Recorder())
    before = stored(project, "frozen")
    assert not any(np.array_equal(value, before[name]) for name, value in stored(project).items())
    weights = models.read(project / "models" / "ours")[1]
    trained = sum(value.size for name, value in weights.items() if name not in ("mean", "scale"))
    assert models.read_card(project / "models" / "ours")["parameters"] == trained


@pytest.mark.parametrize("summary", ["mean", "last", "both"])
def test_the_network_that_is_fine_tuned_is_the_one_that_is_used(project: Path, experiment: Make, summary: str) -> None:
    settings = experiment(
        "language-model",
        model={"finetune": True, "longest": 70, "summary": summary},
        training={"epochs": 2, "learning_rate": 0.01},
    )
    watch = Recorder()
    train("ours", settings, project, watch)
    model = models.load(project / "models" / "ours")
    valid = open_split(project / "data" / "tokens" / "letters", "valid", settings.model, model.tokenizer)
    row, found = watch.rows[model.card["best_epoch"]], model.probabilities(valid)
    assert -np.log(found[np.arange(len(valid)), valid.labels]).mean() == pytest.approx(row["valid_loss"], rel=1e-5)
    assert (found.argmax(1) == valid.labels).mean() == pytest.approx(row["valid_accuracy"])

    description: Any = settings.model
    weights = models.read(project / "models" / "ours")[1]
    encoder = new_encoder(project, model.card["encoder"], model.tokenizer.vocabulary_size)
    network = FineTuned(description, encoder, Head(description, weights["mean"], weights["scale"], 2)).eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            value.copy_(torch.from_numpy(weights[name]))
    logits = network(*pad(valid, np.arange(len(valid))))
    np.testing.assert_allclose(logits.softmax(-1).detach(), found, rtol=1e-4, atol=1e-6)
    # Each document alone, so without any padding.
    alone = torch.cat([network(*pad(valid, np.array([row]))) for row in range(len(valid))])
    torch.testing.assert_close(alone, logits, rtol=1e-4, atol=1e-5)
    states = summaries(description, encoder.eval(), valid, np.arange(len(valid)))
    torch.testing.assert_close(network.head(torch.from_numpy(states)), logits, rtol=1e-4, atol=1e-5)


def cut(text: str) -> str:
    """Another text with the same first 40 characters."""
    text = " ".join(text.split())
    return text[:40] + "e" * (1 + len(text) % 7) if len(text) > 40 else text


@pytest.mark.parametrize("finetune", [False, True])
def test_characters_beyond_the_longest_change_nothing(
    tmp_path: Path, stores: Path, experiment: Make, finetune: bool
) -> None:
    settings = experiment("language-model", model={"finetune": finetune, "longest": 40}, training=ONCE)
    found = []
    for name, change in (("whole", str), ("cut", cut)):
        root = tmp_path / name
        (root / "models").mkdir(parents=True)
        (root / "models" / "start").symlink_to(stores / "models" / "start")
        rows = {split: [(label, change(text)) for label, text in part] for split, part in passages().items()}
        write_store(root, rows, "letters", kind="characters")
        train("ours", settings, root, Recorder())
        found.append(models.read(root / "models" / "ours")[1])
    assert found[0].keys() == found[1].keys()
    for key, value in found[0].items():
        np.testing.assert_array_equal(found[1][key], value, err_msg=key)
