"""The networks that tell a document's label: word vectors, a recurrent reader, and a softmax over the labels."""

import torch
from torch import Tensor, nn

from anamnesis.nn.encoder import EncoderStack
from anamnesis.nn.stack import RecurrentStack
from anamnesis.tasks.classification.reading import Read
from anamnesis.tasks.classification.settings import Both, Convolutional, Forwards

Network = Forwards | Both | Convolutional


class DocumentNetwork(nn.Module):
    """Logits of the labels from the first words of documents.

    What stands behind the place up to which a document is read changes nothing.

    Args:
        settings: the experiment's `model` block.
        vocabulary: how many word ids there are.
        labels: how many labels there are.
    """

    def __init__(self, settings: Network, vocabulary: int, labels: int) -> None:
        super().__init__()
        self.summary = settings.summary
        self.embedding = nn.Embedding(vocabulary, settings.embedding)
        self.dropout = nn.Dropout(settings.dropout)
        self.convolution = Convolution(settings) if isinstance(settings, Convolutional) else None
        hidden, layers, dropout = settings.hidden, settings.layers, settings.dropout
        self.reader: RecurrentStack | EncoderStack
        match settings:
            case Forwards():
                self.reader = RecurrentStack(
                    settings.architecture,
                    settings.embedding,
                    hidden,
                    layers,
                    dropout,
                    settings.residual,
                    settings.norm,
                )
            case Both():
                self.reader = EncoderStack(settings.cell, settings.embedding, hidden, layers, dropout, True)
            case Convolutional():
                self.reader = RecurrentStack("lstm", settings.channels, hidden, layers, dropout)
        size = self.reader.outputs
        self.dense = nn.Linear(size, settings.dense) if settings.dense is not None else None
        self.output = nn.Linear(settings.dense or size, labels)

    def forward(self, read: Read) -> Tensor:
        """Logits (batch, labels) of documents: word ids (time, batch), and up to where to read each (batch,)."""
        ids, lengths = read[0], torch.from_numpy(read[1])
        steps: Tensor = self.dropout(self.embedding(ids))
        if self.convolution is not None:
            steps, lengths = self.convolution(steps, lengths)
        summary = self.dropout(self._summary(steps, lengths))
        if self.dense is not None:
            summary = self.dropout(torch.relu(self.dense(summary)))
        logits: Tensor = self.output(summary)
        return logits

    def _summary(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """What is remembered of each document, (batch, outputs), from (time, batch, features); lengths on the CPU."""
        if isinstance(self.reader, EncoderStack):
            outputs, state = self.reader(steps, lengths)
            if self.summary == "last":
                # In both directions, the last state is not the output of one step.
                return state[-1][0]
        else:
            outputs, _ = self.reader(steps, self.reader.initial_state(len(lengths)))
        # A network that only reads forwards knows at a step nothing of what follows: its outputs up to the end are
        # those of a packed sequence.
        if self.summary == "last":
            ends = (lengths - 1).to(outputs.device, non_blocking=True)
            last: Tensor = outputs[ends, torch.arange(len(ends), device=ends.device)]
            return last
        real = inside(lengths, outputs)
        if self.summary == "mean":
            mean: Tensor = outputs.masked_fill(~real, 0.0).sum(0) / real.sum(0)
            return mean
        largest: Tensor = outputs.masked_fill(~real, float("-inf")).amax(0)
        return largest


class Convolution(nn.Module):
    """Features of neighbouring words, and of neighbouring places the largest (Kim 2014; Zhou et al. 2015).

    Args:
        settings: with the size of a word's vector, `channels`, `width` and `pool`.
    """

    def __init__(self, settings: Convolutional) -> None:
        super().__init__()
        self.features = nn.Conv1d(settings.embedding, settings.channels, settings.width)
        # As many places as words: at the ends, what is missing of a neighbourhood is zero.
        self.missing = (settings.width - 1) // 2, settings.width // 2
        self.pool = settings.pool

    def forward(self, steps: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(time, batch, embedding) of documents that end at `lengths` (batch,) become (pooled time, batch, channels)
        that end at the lengths that are also returned."""
        real = inside(lengths, steps)
        words = nn.functional.pad(steps.masked_fill(~real, 0.0).permute(1, 2, 0), self.missing)
        found = torch.relu(self.features(words))
        # Nothing is below 0 after ReLU, so that a 0 behind the end is never the only largest.
        pooled = nn.functional.max_pool1d(found * real.permute(1, 2, 0), self.pool, ceil_mode=True)
        return pooled.permute(2, 0, 1), (lengths + self.pool - 1) // self.pool


def inside(lengths: Tensor, steps: Tensor) -> Tensor:
    """Which `steps` (time, batch, ...) are before the end of sequences with `lengths` (batch,), which are on the CPU:
    (time, batch, 1), bool, on the device of `steps`."""
    real = torch.arange(len(steps))[:, None] < lengths
    return real[..., None].to(steps.device, non_blocking=True)
