"""Settings of a memory experiment: wrong values are refused by name; sizes follow from the parameters."""

from typing import Any

import pytest
from pydantic import ValidationError


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recall": {"lags": [0, 5]}}, "lags: found 0; allowed: at least 2"),
        ({"recall": {"lags": [5, 5]}}, "lags: found 5 after 5; allowed: each longer"),
        ({"recall": {"accuracy": 1.0}}, "recall.accuracy"),
        ({"parameters": 100}, "greater than or equal to 1000"),
        ({"model": {"hidden": 64}}, "hidden follows from `parameters`"),
        ({"model": {"dropout": 0.5}}, "dropout"),
        ({"model": {"norm": "batch"}}, "norm"),
        ({"model": {"architecture": "scrn", "context": 8}}, "context follows from `parameters`"),
        ({"text": {"length": 0}}, "text.length"),
    ],
)
def test_refused(experiment, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        experiment(**changes)
    assert said in str(error.value)


def test_sizes_are_no_settings(experiment) -> None:
    settings = experiment("scrn").model_dump(mode="json")
    assert not {"hidden", "context"} & settings["model"].keys()
    assert experiment("scrn", model={"share": 0.25}).model.sized(10).context == 2
