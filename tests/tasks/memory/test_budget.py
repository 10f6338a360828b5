"""The size of each cell is the largest within the allowed number of parameters."""

import pytest

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.memory.model.budget import largest


def plain(gates: int, hidden: int, features: int) -> int:
    """PyTorch's layers have two biases for each gate."""
    return gates * hidden * (features + hidden + 2)


# Gates of one layer.
PLAIN = {"rnn": 1, "rnn-relu": 1, "irnn": 1, "gru": 3, "lstm": 4}


@pytest.mark.parametrize("architecture", PLAIN)
@pytest.mark.parametrize("parameters", [1000, 54321])
def test_largest_that_fits(experiment, architecture: str, parameters: int) -> None:
    cell, count = largest(experiment(architecture, parameters=parameters, features=8))
    gates = PLAIN[architecture]
    assert count == plain(gates, cell.hidden, 8) <= parameters < plain(gates, cell.hidden + 1, 8)


def test_all_layers_count(experiment) -> None:
    cell, count = largest(experiment("lstm", model={"layers": 3}, parameters=6000, features=8))
    assert count == plain(4, cell.hidden, 8) + 2 * plain(4, cell.hidden, cell.hidden) <= 6000


def test_context_keeps_its_share(experiment) -> None:
    cell, count = largest(experiment("scrn", model={"share": 0.5}, parameters=6000, features=8))
    assert cell.context == round(cell.hidden / 2)
    assert 0.95 * 6000 < count <= 6000


def test_too_few_for_one_unit(experiment) -> None:
    settings = experiment("gru").model_copy(update={"parameters": 20})
    with pytest.raises(AnamnesisError, match="parameters: found 20; allowed: at least 33"):
        largest(settings)
