"""The networks of a memory experiment: an encoder of the inputs, the recurrent layers, and a linear readout."""

from torch import Tensor, nn

from anamnesis.nn.stack import RecurrentStack, State, build
from anamnesis.tasks.memory.model.sequences import CONTROLS, Probe
from anamnesis.tasks.memory.settings import Cell, Experiment


class ProbeNetwork(nn.Module):
    """encoder -> recurrent layers -> readout; the recurrent layers have the same sizes for text and both probes.

    Args:
        encoder: from (time, batch) ids or (time, batch, numbers) to (time, batch, inputs).
        stack: the recurrent layers.
        answers: size of the readout.
    """

    def __init__(self, encoder: nn.Module, stack: RecurrentStack, answers: int) -> None:
        super().__init__()
        self.encoder, self.stack = encoder, stack
        self.readout = nn.Linear(stack.outputs, answers)

    def forward(self, inputs: Tensor, state: State | None = None, last: int = 0) -> tuple[Tensor, State]:
        """The readout and the state after a segment.

        Args:
            inputs: (time, batch) ids, or (time, batch, numbers).
            state: the state after the segment before; None: zero.
            last: number of last steps whose readout is returned; 0: all steps.

        Returns:
            The readout (steps, batch, answers) and the state after the last step.
        """
        outputs, state = self.stack(self.encoder(inputs), state or self.stack.initial_state(inputs.shape[1]))
        return self.readout(outputs[-last:]), state


def text_network(cell: Cell, inputs: int, vocabulary: int) -> ProbeNetwork:
    """A language model: embedding, recurrent layers, and logits of `vocabulary` tokens."""
    return ProbeNetwork(nn.Embedding(vocabulary, inputs), build(cell, inputs), vocabulary)


def recall_network(probe: Probe, cell: Cell, experiment: Experiment) -> ProbeNetwork:
    """Copy task: symbols in, logits of symbols out. Adding problem: number and mark in, sum out."""
    inputs, alphabet = experiment.features, experiment.recall.alphabet
    if probe == "copy":
        return ProbeNetwork(nn.Embedding(CONTROLS + alphabet, inputs), build(cell, inputs), alphabet)
    return ProbeNetwork(nn.Linear(2, inputs), build(cell, inputs), 1)
