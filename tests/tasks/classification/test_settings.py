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
        ({"architecture": "lstm", "norm": "batch", "padding": "packed"}, {}, "needs `padding: dummy`"),
        ({"architecture": "birnn", "norm": "batch"}, {}, "Extra inputs"),
        ("gru", {"needs": "models/start"}, "remove `needs`"),
        ("language-model", {"needs": None}, "`needs: models/EXPERIMENT`"),
        ("language-model", {"needs": "cells/mgu.py"}, "allowed: models/EXPERIMENT"),
    ],
)
def test_a_key_that_does_not_fit_is_refused(
    experiment: Make, block: Any, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        experiment(block, **changes)
