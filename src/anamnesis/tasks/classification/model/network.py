"""The networks that classify documents by their words."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anamnesis.nn.encoder import EncoderStack
from anamnesis.nn.stack import RecurrentStack
from anamnesis.nn.transfer import to_device
from anamnesis.tasks.classification.settings import Bidirectional, ConvolutionalRecurrent, Network, Recurrent


class DocumentNetwork(nn.Module):
    """Word vectors, a recurrent stack, a summary of its outputs, and a linear layer: logits of the labels.

    Words behind a document's length change nothing.

    Args:
        settings: the experiment's `model` block.
        vocabulary: number of word ids.
        labels: number of labels.
    """

    def __init__(self, settings: Network, vocabulary: int, labels: int) -> None:
        super().__init__()
        self.summary = settings.summary
        self.embedding = nn.Embedding(vocabulary, settings.embedding)
        self.dropout = nn.Dropout(settings.dropout)
        self.convolution = Convolution(settings) if isinstance(settings, ConvolutionalRecurrent) else None
        hidden, layers, dropout = settings.hidden, settings.layers, settings.dropout
        self.reader: RecurrentStack | EncoderStack
        match settings:
            case Recurrent():
                self.reader = RecurrentStack(
                    settings.architecture,
                    settings.embedding,
                    hidden,
                    layers,
                    dropout,
                    settings.residual,
                    settings.norm,
                )
            case Bidirectional():
                self.reader = EncoderStack(settings.cell, settings.embedding, hidden, layers, dropout, True)
            case ConvolutionalRecurrent():
                self.reader = RecurrentStack("lstm", settings.channels, hidden, layers, dropout)
        size = self.reader.outputs
        self.dense = nn.Linear(size, settings.dense) if settings.dense is not None else None
        self.output = nn.Linear(settings.dense or size, labels)

    def forward(self, ids: Tensor, lengths: NDArray[np.int64] | Tensor) -> Tensor:
        """Logits (batch, labels).

        Args:
            ids: of words (time, batch).
            lengths: words that are read of each document (batch,), at least 1; a tensor on the device of `ids` for a
                batch that is not packed.
        """
        packed, ends = not isinstance(lengths, Tensor), torch.as_tensor(lengths)
        steps: Tensor = self.dropout(self.embedding(ids))
        if self.convolution is not None:
            steps, ends = self.convolution(steps, ends)
        summary = self.dropout(self._summary(steps, ends, packed))
        if self.dense is not None:
            summary = self.dropout(torch.relu(self.dense(summary)))
        logits: Tensor = self.output(summary)
        return logits

    def _summary(self, steps: Tensor, lengths: Tensor, packed: bool) -> Tensor:
        """A summary of each document's outputs (batch, outputs).

        Args:
            steps: (time, batch, features).
            lengths: steps of each document (batch,).
            packed: see `EncoderStack.forward`, also for the device of `lengths`.
        """
        if isinstance(self.reader, EncoderStack):
            outputs, state = self.reader(steps, lengths, packed)
            if self.summary == "last":
                # The two directions end at different steps.
                return state[-1][0]
        else:
            outputs, _ = self.reader(steps, self.reader.initial_state(len(lengths)))
        # Outputs of a network that only reads forwards do not depend on later steps, so it needs no packed sequence.
        if self.summary == "last":
            ends = to_device(lengths - 1, outputs.device)
            last: Tensor = outputs[ends, torch.arange(len(ends), device=ends.device)]
            return last
        mask = inside(lengths, outputs)
        if self.summary == "mean":
            mean: Tensor = outputs.masked_fill(~mask, 0.0).sum(0) / mask.sum(0)
            return mean
        largest: Tensor = outputs.masked_fill(~mask, float("-inf")).amax(0)
        return largest


class Convolution(nn.Module):
    """Convolution over neighbouring words with ReLU, then max pooling (Kim 2014; Zhou et al. 2015).

    Args:
        settings: the experiment's `model` block.
    """

    def __init__(self, settings: ConvolutionalRecurrent) -> None:
        super().__init__()
        self.features = nn.Conv1d(settings.embedding, settings.channels, settings.width)
        # Zeros at both ends, so that there are as many positions as words.
        self.padding = (settings.width - 1) // 2, settings.width // 2
        self.pool = settings.pool

    def forward(self, steps: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The pooled features (pooled time, batch, channels) and their lengths (batch,).

        Args:
            steps: word vectors (time, batch, embedding).
            lengths: words of each document (batch,).
        """
        mask = inside(lengths, steps)
        words = nn.functional.pad(steps.masked_fill(~mask, 0.0).permute(1, 2, 0), self.padding)
        features = torch.relu(self.features(words))
        # After ReLU no feature is below 0, so zeros behind a document's end do not change the maximum.
        pooled = nn.functional.max_pool1d(features * mask.permute(1, 2, 0), self.pool, ceil_mode=True)
        return pooled.permute(2, 0, 1), (lengths + self.pool - 1) // self.pool


def inside(lengths: Tensor, steps: Tensor) -> Tensor:
    """A mask (time, batch, 1), bool, of the steps before each document's end, on the device of `steps`.

    Args:
        lengths: steps of each document (batch,).
        steps: (time, batch, features).
    """
    mask = torch.arange(len(steps), device=lengths.device)[:, None] < lengths
    return to_device(mask[..., None], steps.device)
