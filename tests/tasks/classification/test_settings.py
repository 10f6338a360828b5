"""What an experiment that reads documents may ask for."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from anamnesis.tasks.classification.settings import Experiment


@pytest.mark.parametrize(
    ("model", "changes", "said"),
    [
        ({"architecture": "lstm"}, {"training": None}, "needs a `training` block"),
        ({"architecture": "tfidf"}, {"training": {"epochs": 1, "learning_rate": 0.1}}, "remove `training`"),
        ({"architecture": "lstm", "norm": "batch"}, {"padding": "packed"}, "needs `padding: dummy`"),
        ({"architecture": "birnn", "norm": "batch"}, {}, "Extra inputs"),
        ({"architecture": "lstm"}, {"length": 0}, "greater than or equal to 1"),
    ],
)
def test_what_does_not_fit_is_refused(
    experiment: Callable[..., Experiment], model: dict[str, Any], changes: dict[str, Any], said: str
) -> None:
    content = experiment(model if "norm" not in model or model["architecture"] == "lstm" else None).model_dump()
    content["model"] = {"hidden": 4, **model} if model["architecture"] != "tfidf" else model
    with pytest.raises(ValidationError, match=said):
        Experiment.model_validate(content | changes)
