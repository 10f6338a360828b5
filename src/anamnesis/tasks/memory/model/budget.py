"""The size of a cell that follows from the allowed number of parameters."""

from anamnesis.errors import AnamnesisError
from anamnesis.nn.stack import build
from anamnesis.tasks.memory.settings import Cell, Experiment


def largest(experiment: Experiment) -> tuple[Cell, int]:
    """The experiment's cell with the most hidden units that `parameters` allows.

    Only the parameters of the recurrent layers count, not those of encoder and readout.

    Returns:
        The cell with its sizes, and the number of parameters of its layers.

    Raises:
        AnamnesisError: one hidden unit has more parameters than allowed.
    """

    def count(hidden: int) -> int:
        stack = build(experiment.model.with_hidden(hidden), experiment.features)
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
    return experiment.model.with_hidden(low), count(low)
