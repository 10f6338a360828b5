"""Which keys fit which model."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from anamnesis.tasks.classification.settings import Experiment

Make = Callable[..., Experiment]


@pytest.mark.parametrize(
    ("block", "changes", "message"),
    [
        ("lstm", {"training": None}, "needs a `training` block"),
        ("tfidf", {"training": {"epochs": 1, "learning_rate": 0.1}}, "remove `training`"),
        ({"architecture": "lstm", "norm": "batch", "padding": "packed"}, {}, "needs `padding: dummy`"),
        ({"architecture": "birnn", "norm": "batch"}, {}, "Extra inputs"),
        ({"length": 0}, {}, "greater than or equal to 1"),
        ("gru", {"needs": "models/start"}, "remove `needs`"),
        ("histogram", {"needs": "models/start"}, "remove `needs`"),
        ({"architecture": "histogram", "length": 9}, {}, "Extra inputs"),
        ({"architecture": "histogram", "finetune": True}, {}, "Extra inputs"),
        ("language-model", {"needs": None}, "`needs: models/EXPERIMENT`"),
        ("language-model", {"needs": "cells/mgu.py"}, "allowed: models/EXPERIMENT"),
        ({"architecture": "language-model", "padding": "packed"}, {}, "Extra inputs"),
        ({"architecture": "language-model", "longest": 0}, {}, "greater than or equal to 1"),
        ({"architecture": "language-model", "dropout": 1.0}, {}, "less than 1"),
    ],
)
def test_a_key_that_does_not_fit_is_refused(
    experiment: Make, block: Any, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        experiment(block, **changes)


@pytest.mark.parametrize(("architecture", "batch"), [("gru", 32), ("histogram", 64), ("language-model", 64)])
def test_the_default_batch_depends_on_the_model(experiment: Make, architecture: str, batch: int) -> None:
    content = experiment(architecture).model_dump()
    del content["batch"]
    assert Experiment.model_validate(content).batch == batch
