"""The size of each cell is the largest within the allowed number of parameters; wrong settings are refused."""

import pytest
from pydantic import ValidationError

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.memory.model.budget import largest

# Gates of one layer.
GATES = {"rnn": 1, "rnn-relu": 1, "irnn": 1, "gru": 3, "lstm": 4}


def parameters_of(gates: int, hidden: int, features: int = 8) -> int:
    """PyTorch's layers have two biases for each gate."""
    return gates * hidden * (features + hidden + 2)


@pytest.mark.parametrize("architecture", GATES)
def test_the_largest_size_within_the_parameters(experiment, architecture: str):
    gates = GATES[architecture]
    for parameters in (1000, 54321):
        cell, count = largest(experiment(architecture, parameters=parameters))
        assert count == parameters_of(gates, cell.hidden) <= parameters < parameters_of(gates, cell.hidden + 1)


def test_all_layers_and_context_units_count(experiment):
    cell, count = largest(experiment("lstm", model={"layers": 3}, parameters=6000))
    assert count == parameters_of(4, cell.hidden) + 2 * parameters_of(4, cell.hidden, cell.hidden) <= 6000
    cell, count = largest(experiment("scrn", model={"share": 0.5}, parameters=6000))
    assert cell.context == round(cell.hidden / 2)
    assert 0.95 * 6000 < count <= 6000
    with pytest.raises(AnamnesisError, match="parameters: found 20; allowed: at least 33"):
        largest(experiment("gru").model_copy(update={"parameters": 20}))


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
def test_wrong_settings_are_refused(experiment, changes, message):
    with pytest.raises(ValidationError, match=message):
        experiment(**changes)
