"""Cells of different kinds at the same number of parameters: the largest size that a number allows."""

from anamnesis.errors import AnamnesisError
from anamnesis.nn.stack import build
from anamnesis.tasks.memory.settings import Cell, Experiment


def largest(experiment: Experiment) -> tuple[Cell, int]:
    """The experiment's cell at the most hidden units with which its recurrent layers keep to `parameters`.

    Encoder and readout do not count: they are the task's, not the cell's.

    Returns:
        The cell with its sizes, and how many parameters its layers have.

    Raises:
        AnamnesisError: even one hidden unit has more.
    """

    def count(hidden: int) -> int:
        stack = build(experiment.model.sized(hidden), experiment.features)
        return sum(parameter.numel() for parameter in stack.parameters())

    allowed = experiment.parameters
    if count(1) > allowed:
        raise AnamnesisError(f"parameters: found {allowed}; allowed: at least {count(1)}, which one hidden unit needs")
    low, high = 1, 2
    while count(high) <= allowed:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) <= allowed else (low, middle)
    return experiment.model.sized(low), count(low)
