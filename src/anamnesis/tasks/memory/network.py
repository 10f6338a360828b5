"""The network that is probed: an encoder of the inputs, the recurrent layers in question, and a linear readout."""

from torch import Tensor, nn

from anamnesis.nn.stack import RecurrentStack, State, build
from anamnesis.tasks.memory.settings import Cell, Experiment
from anamnesis.tasks.memory.tasks import CONTROLS, Probe


class ProbeNetwork(nn.Module):
    """encoder -> recurrent layers -> readout. The layers have the same sizes in every probe.

    Args:
        encoder: from (time, batch) ids or (time, batch, numbers) to (time, batch, inputs).
        stack: the recurrent layers.
        answers: numbers that the readout gives at each step.
    """

    def __init__(self, encoder: nn.Module, stack: RecurrentStack, answers: int) -> None:
        super().__init__()
        self.encoder, self.stack = encoder, stack
        self.readout = nn.Linear(stack.outputs, answers)

    def forward(self, inputs: Tensor, state: State | None = None, last: int = 0) -> tuple[Tensor, State]:
        """Read a segment.

        Args:
            inputs: (time, batch) ids, or (time, batch, numbers).
            state: as left by the segment before; None is zero.
            last: answer at so many last steps only; 0 at all.

        Returns:
            The readout (steps, batch, answers) and the state after the last step.
        """
        outputs, state = self.stack(self.encoder(inputs), state or self.stack.initial_state(inputs.shape[1]))
        return self.readout(outputs[-last:]), state


def text_network(cell: Cell, inputs: int, vocabulary: int) -> ProbeNetwork:
    """A next-token model: embedding, recurrent layers, and the logits of `vocabulary` tokens."""
    return ProbeNetwork(nn.Embedding(vocabulary, inputs), build(cell, inputs), vocabulary)


def recall_network(probe: Probe, cell: Cell, experiment: Experiment) -> ProbeNetwork:
    """For the copy task symbols in and their logits out, for the adding problem number and mark in and a sum out."""
    inputs, alphabet = experiment.features, experiment.recall.alphabet
    if probe == "copy":
        return ProbeNetwork(nn.Embedding(CONTROLS + alphabet, inputs), build(cell, inputs), alphabet)
    return ProbeNetwork(nn.Linear(2, inputs), build(cell, inputs), 1)
