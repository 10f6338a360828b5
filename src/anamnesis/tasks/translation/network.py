"""The encoder-decoder networks: without attention, where the last state says it all, and with it."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from anamnesis.nn.attention import Additive, Attention, Multiplicative
from anamnesis.nn.encoder import EncoderStack
from anamnesis.nn.stack import RecurrentStack, State, flatten
from anamnesis.tasks.translation.batches import Batch
from anamnesis.tasks.translation.settings import Attentive, Seq2Seq


class Memory(NamedTuple):
    """What the decoder may attend to.

    Attributes:
        values: the encoder's outputs, (batch, source time, memory size).
        keys: as the attention has them, (batch, source time, units).
        real: which of them are no padding, (batch, source time), bool.
    """

    values: Tensor
    keys: Tensor
    real: Tensor


class EncoderDecoder(nn.Module):
    """Sequence to sequence (Sutskever et al. 2014; Cho et al. 2014), with or without attention.

    Without attention, the last hidden state (of an LSTM, and the last cell state) of each of the encoder's layers is
    the context vector: it starts the decoder's layer of the same height. With attention, the encoder reads in both
    directions, and what starts the decoder is tanh(W s) of each such state s (Bahdanau et al. 2015, appendix A.2.2;
    of a cell state, W s itself, because a cell is not bounded). The decoder's state asks, after it has read a token,
    and what comes of it is tanh(W [context; state]) (Luong et al. 2015, equation 5). The next token's distribution is
    the softmax of that, through a linear layer of the embedding's size.

    Where the decoder does not read what it attended to, its layers run over the whole target at once.

    Args:
        settings: the experiment's `model` block.
        source: ids of the source language, start and end among them.
        target: ids of the target language.
    """

    def __init__(self, settings: Seq2Seq | Attentive, source: int, target: int) -> None:
        super().__init__()
        self.settings = settings
        hidden, size = settings.hidden, settings.embedding or settings.hidden
        attentive = isinstance(settings, Attentive)
        self.feeding = isinstance(settings, Attentive) and settings.input_feeding
        self.reverse = isinstance(settings, Seq2Seq) and settings.reverse
        self.dropout = nn.Dropout(settings.dropout)
        self.source_embedding = nn.Embedding(source, size)
        self.target_embedding = nn.Embedding(target, size)
        self.encoder = EncoderStack(settings.cell, size, hidden, settings.layers, settings.dropout, attentive)
        self.decoder = RecurrentStack(
            settings.cell, size * (1 + self.feeding), hidden, settings.layers, settings.dropout
        )
        self.attention: Attention | None = None
        if isinstance(settings, Attentive):
            memory = self.encoder.outputs
            additive = settings.attention == "additive"
            self.attention = Additive(hidden, memory, hidden) if additive else Multiplicative(hidden, memory)
            parts = len(flatten(self.decoder.initial_state(1)))
            self.bridges = nn.ModuleList(nn.Linear(memory, hidden) for _ in range(parts))
            self.combined = nn.Linear(memory + hidden, size, bias=False)
        elif hidden != size:
            self.combined = nn.Linear(hidden, size, bias=False)
        self.output = nn.Linear(size, target)
        # What the softmax wants small, the recurrent layers want larger. At 256 units, inputs times 4 halve the
        # perplexity after the first epoch; times 16 (Vaswani et al. 2017, section 3.4) they do, too, but end worse.
        self.scale = size**0.25
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=size**-0.5)
        if settings.tied != "none":
            self.output.weight = self.target_embedding.weight
        if settings.tied == "all":
            self.source_embedding.weight = self.target_embedding.weight

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[State, Memory | None]:
        """Read sentences.

        Args:
            source: (source time, batch), int64, padded behind each sentence's end with anything.
            lengths: real tokens of each sentence, (batch,), int64 on the CPU.

        Returns:
            The state that starts the decoder, and what it may attend to: without attention, nothing.
        """
        if self.reverse:
            times = torch.arange(len(source))[:, None]
            turned = torch.where(times < lengths, lengths - 1 - times, times)
            source = source.gather(0, turned.to(source.device, non_blocking=True))
        outputs, last = self.encoder(self.dropout(self.source_embedding(source) * self.scale), lengths)
        if self.attention is None:
            return last, None
        bridges = iter(self.bridges)
        # The hidden state stands first among the parts of a layer's state.
        start = [
            tuple(
                torch.tanh(next(bridges)(part)) if index == 0 else next(bridges)(part)
                for index, part in enumerate(layer)
            )
            for layer in last
        ]
        values = outputs.transpose(0, 1).contiguous()
        real = torch.arange(len(source))[None] < lengths[:, None]
        return start, Memory(values, self.attention.keys(values), real.to(values.device, non_blocking=True))

    def decode(
        self, inputs: Tensor, state: State, memory: Memory | None, fed: Tensor | None = None
    ) -> tuple[Tensor, State, Tensor | None]:
        """Read target tokens and say what the softmax is of.

        Args:
            inputs: (target time, batch), int64.
            state: of the decoder before them.
            memory: what `encode` gave.
            fed: with input feeding, what was attended to before the first of them, (batch, embedding).

        Returns:
            Readouts (target time, batch, embedding), the state after the last input, and with attention its weights
            (batch, target time, source time).
        """
        embedded = self.dropout(self.target_embedding(inputs) * self.scale)
        if not self.feeding:
            outputs, state = self.decoder(embedded, state)
            readouts, weights = self._read_out(outputs, memory)
            return readouts, state, weights
        fed = self.start_of_feeding(inputs.shape[1]) if fed is None else fed
        steps, weighed = list[Tensor](), list[Tensor]()
        for each in embedded:
            outputs, state = self.decoder(torch.cat([each, fed], dim=-1)[None], state)
            readout, weights = self._read_out(outputs, memory)
            assert weights is not None
            fed = readout[0]
            steps.append(readout)
            weighed.append(weights)
        return torch.cat(steps), state, torch.cat(weighed, dim=1)

    def start_of_feeding(self, batch: int) -> Tensor:
        """What a decoder with input feeding reads beside the first token: zeros, (batch, embedding)."""
        weight = self.target_embedding.weight
        return weight.new_zeros(batch, weight.shape[1])

    def _read_out(self, outputs: Tensor, memory: Memory | None) -> tuple[Tensor, Tensor | None]:
        """The decoder's outputs (time, batch, hidden) as what the softmax is of, (time, batch, embedding)."""
        weights = None
        if self.attention is not None and memory is not None:
            query = outputs.transpose(0, 1)
            context, weights = self.attention(query, memory.values, memory.keys, memory.real)
            outputs = torch.tanh(self.combined(torch.cat([context, query], dim=-1))).transpose(0, 1)
        elif outputs.shape[-1] != self.output.in_features:
            outputs = torch.tanh(self.combined(outputs))
        return self.dropout(outputs), weights

    def forward(self, batch: Batch) -> Tensor:
        """The readouts of the real targets, (tokens, embedding): none is made of padding."""
        state, memory = self.encode(batch.source, torch.from_numpy(batch.lengths))
        readouts, _, _ = self.decode(batch.inputs, state, memory)
        return readouts.flatten(0, 1).index_select(0, batch.places)

    def loss(self, readouts: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy against targets that are smoothed (Szegedy et al. 2016, section 7), and without that.

        Args:
            readouts: (tokens, embedding).
            targets: (tokens,), int64.

        Returns:
            Both as sums over the tokens, in nats; only the first has a gradient.
        """
        logits = self.output(readouts).float()
        normaliser = torch.logsumexp(logits, dim=-1)
        right = logits.gather(1, targets[:, None]).squeeze(1)
        likelihood = (normaliser - right).sum()
        share = self.settings.label_smoothing
        if share == 0:
            return likelihood, likelihood.detach()
        # The mean over the vocabulary of what is linear in the weights is linear in the weights' mean.
        mean = readouts @ self.output.weight.mean(0) + self.output.bias.mean()
        return (normaliser - (1 - share) * right - share * mean).sum(), likelihood.detach()

    def log_probabilities(self, readouts: Tensor) -> Tensor:
        """Of each token of the target language, (..., embedding) -> (..., target)."""
        return torch.log_softmax(self.output(readouts).float(), dim=-1)
