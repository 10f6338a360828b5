"""The recurrent language model: embedding, recurrent stack, softmax (Mikolov et al. 2010; Zaremba et al. 2014)."""

from typing import Any

import torch
from torch import Tensor, nn

from anamnesis.nn.softmax import AdaptiveSoftmax, cutoffs
from anamnesis.nn.stack import State, build, detach
from anamnesis.tasks.language.model.streams import IGNORED, Batch
from anamnesis.tasks.language.settings import Reader
from anamnesis.training.plan import Loss


class RecurrentNetwork(nn.Module):
    """Computes from token ids a distribution over the next token at each time step.

    Args:
        settings: the experiment's `model` block.
        vocabulary: number of token ids; the adaptive softmax needs them in order of falling frequency.
    """

    def __init__(self, settings: Reader, vocabulary: int) -> None:
        super().__init__()
        size = settings.embedding or settings.hidden
        self.embedding = nn.Embedding(vocabulary, size)
        self.dropout = nn.Dropout(settings.dropout)
        self.stack = build(settings, size)
        self.softmax: nn.Linear | nn.AdaptiveLogSoftmaxWithLoss
        if settings.softmax == "adaptive":
            self.softmax = AdaptiveSoftmax(self.stack.outputs, vocabulary, cutoffs(vocabulary))
        else:
            self.softmax = nn.Linear(self.stack.outputs, vocabulary)
            nn.init.zeros_(self.softmax.bias)
            if settings.tied:
                # PyTorch's N(0, 1) suits an embedding, but gives a softmax logits that are far too large.
                nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
                self.softmax.weight = self.embedding.weight

    def forward(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """Hidden states (time, batch, outputs) for ids (time, batch), and the state after the last step."""
        outputs, state = self.stack(self.dropout(self.embedding(ids)), state)
        return self.dropout(outputs), state

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Sum of the negative log-likelihoods in nats over all targets that are not `IGNORED`.

        Args:
            outputs: (time, batch, outputs).
            targets: (time, batch), or (1, batch) for the last time step alone.
        """
        flat, classes = outputs[-targets.shape[0] :].flatten(0, 1), targets.flatten()
        if isinstance(self.softmax, nn.Linear):
            return nn.functional.cross_entropy(self.softmax(flat), classes, ignore_index=IGNORED, reduction="sum")
        rows = classes != IGNORED
        return -self.softmax(flat[rows], classes[rows]).output.sum()

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """Natural logarithms of the next token's probabilities (..., vocabulary) from outputs (..., outputs)."""
        if isinstance(self.softmax, nn.Linear):
            return self.softmax(outputs).log_softmax(-1)
        return self.softmax.log_prob(outputs.flatten(0, -2)).unflatten(0, outputs.shape[:-1])


def segment_loss(network: RecurrentNetwork, batch: Batch, state: Any, truncate: int | None = None) -> Loss:
    """The negative log-likelihood in nats of a segment's targets, and the state after the segment.

    Args:
        batch: inputs (time, batch), targets (time or 1, batch), and whether to start from the zero state.
        state: the state after the previous segment; None: the zero state.
        truncate: cut the gradient after each so many steps of a training segment; None: only between segments.
    """
    inputs, targets, starts = batch
    if starts or state is None:
        state = network.stack.initial_state(inputs.shape[1])
    parts = []
    for part in inputs.split(truncate if truncate and network.training else len(inputs)):
        outputs, state = network(part, detach(state))
        parts.append(outputs)
    return Loss(network.loss(torch.cat(parts), targets), (targets != IGNORED).sum(), state=detach(state))
