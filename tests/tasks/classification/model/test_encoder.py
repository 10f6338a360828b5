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
