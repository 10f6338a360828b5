"""A served classifier answers with the label of each text."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from listener import Recorder

from anamnesis import models
from anamnesis.stages.train import train
from anamnesis.tasks.classification import prediction
from anamnesis.tasks.classification.settings import Experiment


@pytest.mark.parametrize("architecture", ["tfidf", "histogram"])
def test_answers_are_labels(project: Path, experiment: Callable[..., Experiment], architecture: str) -> None:
    train("mine", experiment(architecture), project, Recorder())
    model = models.load(project / "models" / "mine")
    texts, options = prediction.example(model.card)
    [ranking] = model.classify(texts)
    assert prediction.answer(model, [" ", *texts], options) == ["", ranking[0][0]]
    [answer] = prediction.answer(model, texts, {"top": 2})
    assert json.loads(answer) == {label: round(probability, 6) for label, probability in ranking[:2]}
