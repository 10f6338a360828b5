"""Wrong settings of a memory experiment are refused by name."""

from typing import Any

import pytest
from pydantic import ValidationError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recall": {"lags": [0, 5]}}, "lags: found 0; allowed: at least 2"),
        ({"recall": {"lags": [5, 5]}}, "lags: found 5 after 5; allowed: each longer"),
        ({"model": {"hidden": 64}}, "hidden follows from `parameters`"),
        ({"model": {"dropout": 0.5}}, "dropout"),
        ({"model": {"norm": "batch"}}, "norm"),
    ],
)
def test_wrong_settings_are_refused(experiment, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        experiment(**changes)
