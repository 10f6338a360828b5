"""The encoder-decoder networks, without and with attention."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from anamnesis.nn.attention import Additive, Attention, Multiplicative
from anamnesis.nn.encoder import EncoderStack
from anamnesis.nn.stack import RecurrentStack, State, flatten
from anamnesis.nn.transfer import to_device
from anamnesis.tasks.translation.model.batches import Batch
from anamnesis.tasks.translation.settings import Attentive, Seq2Seq
from anamnesis.training.plan import Loss


class Memory(NamedTuple):
    """The encoder's outputs, to which the decoder attends.

    Attributes:
        values: the outputs, (batch, source time, memory size).
        keys: their projections for the attention's scores, (batch, source time, units).
        real: False at padding, (batch, source time), bool.
    """

    values: Tensor
    keys: Tensor
    real: Tensor


class EncoderDecoder(nn.Module):
    """Sequence to sequence (Sutskever et al. 2014; Cho et al. 2014), with or without attention.

    Without attention, the last state of each encoder layer, with an LSTM's cell, is the context vector: it is the
    initial state of the decoder layer at the same height. With attention, the encoder reads in both directions, and the
    decoder's initial state is tanh(W s) of each such state s (Bahdanau et al. 2015, appendix A.2.2), or W s of a cell,
    which is not bounded. After each token, the decoder's state is the query of the attention, and the attentional
    vector tanh(W [context; state]) (Luong et al. 2015, equation 5) is the readout. A linear layer of the embedding's
    size and a softmax turn the readout into the next token's distribution.

    Without input feeding, the decoder's layers run over the whole target at once.

    Args:
        settings: the experiment's `model` block.
        source: number of ids of the source language, start and end included.
        target: number of ids of the target language.
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
        # Tied embeddings are small for the softmax, too small for the recurrent layers. At 256 units, inputs times 4
        # halve the perplexity after the first epoch; times 16 (Vaswani et al. 2017, section 3.4) they end worse.
        self.scale = size**0.25
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=size**-0.5)
        if settings.tied != "none":
            self.output.weight = self.target_embedding.weight
        if settings.tied == "all":
            self.source_embedding.weight = self.target_embedding.weight

    def encode(self, source: Tensor, lengths: Tensor, packed: bool = True) -> tuple[State, Memory | None]:
        """The decoder's initial state, and the memory that it attends to: None without attention.

        Args:
            source: (source time, batch), int64, with any padding after each sentence's end.
            lengths: tokens of each sentence without padding, (batch,), int64.
            packed: see `EncoderStack.forward`, also for the device of `lengths`.
        """
        if self.reverse:
            times = torch.arange(len(source), device=lengths.device)[:, None]
            reversed_times = torch.where(times < lengths, lengths - 1 - times, times)
            source = source.gather(0, to_device(reversed_times, source.device))
        outputs, last = self.encoder(self.dropout(self.source_embedding(source) * self.scale), lengths, packed)
        if self.attention is None:
            return last, None
        bridges = iter(self.bridges)
        # The hidden state is the first part of a layer's state.
        start = [
            tuple(
                torch.tanh(next(bridges)(part)) if index == 0 else next(bridges)(part)
                for index, part in enumerate(layer)
            )
            for layer in last
        ]
        values = outputs.transpose(0, 1).contiguous()
        real = torch.arange(len(source), device=lengths.device)[None] < lengths[:, None]
        return start, Memory(values, self.attention.keys(values), to_device(real, values.device))

    def decode(
        self, inputs: Tensor, state: State, memory: Memory | None, fed: Tensor | None = None
    ) -> tuple[Tensor, State, Tensor | None]:
        """Read target tokens.

        Args:
            inputs: (target time, batch), int64.
            state: the decoder's state before the first input.
            memory: from `encode`.
            fed: with input feeding, the readout before the first input, (batch, embedding); None: zeros.

        Returns:
            Readouts (target time, batch, embedding), the state after the last input, and the attention weights
            (batch, target time, source time), or None without attention.
        """
        embedded = self.dropout(self.target_embedding(inputs) * self.scale)
        if not self.feeding:
            outputs, state = self.decoder(embedded, state)
            readouts, weights = self._read_out(outputs, memory)
            return readouts, state, weights
        fed = self.start_of_feeding(inputs.shape[1]) if fed is None else fed
        all_readouts, all_weights = list[Tensor](), list[Tensor]()
        for each in embedded:
            outputs, state = self.decoder(torch.cat([each, fed], dim=-1)[None], state)
            readout, weights = self._read_out(outputs, memory)
            assert weights is not None
            fed = readout[0]
            all_readouts.append(readout)
            all_weights.append(weights)
        return torch.cat(all_readouts), state, torch.cat(all_weights, dim=1)

    def start_of_feeding(self, batch: int) -> Tensor:
        """The readout that a decoder with input feeding reads with the first token: zeros, (batch, embedding)."""
        weight = self.target_embedding.weight
        return weight.new_zeros(batch, weight.shape[1])

    def _read_out(self, outputs: Tensor, memory: Memory | None) -> tuple[Tensor, Tensor | None]:
        """Readouts (time, batch, embedding) of the decoder's outputs (time, batch, hidden), and attention weights."""
        weights = None
        if self.attention is not None and memory is not None:
            query = outputs.transpose(0, 1)
            context, weights = self.attention(query, memory.values, memory.keys, memory.real)
            outputs = torch.tanh(self.combined(torch.cat([context, query], dim=-1))).transpose(0, 1)
        elif outputs.shape[-1] != self.output.in_features:
            outputs = torch.tanh(self.combined(outputs))
        return self.dropout(outputs), weights

    def forward(self, batch: Batch) -> Tensor:
        """The readouts of the targets without padding, (tokens, embedding)."""
        state, memory = self.encode(
            batch.source, torch.as_tensor(batch.lengths), packed=not isinstance(batch.lengths, Tensor)
        )
        readouts, _, _ = self.decode(batch.inputs, state, memory)
        rows = readouts.flatten(0, 1)
        # Targets of one length have no padding. The gradient of a selection sorts its places on a GPU.
        return rows if len(rows) == len(batch.places) else rows.index_select(0, batch.places)

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy in nats of the targets of a batch, by teacher forcing.

        The mean, which training minimises, is against smoothed targets (Szegedy et al. 2016, section 7); the total is
        against the targets themselves and has no gradient.
        """
        readouts, targets = self(batch), batch.targets
        total = nn.functional.cross_entropy(self.output(readouts).float(), targets, reduction="sum")
        smoothed, share = total, self.settings.label_smoothing
        if share:
            # The mean cross-entropy with all tokens is that with the target plus the target's logit less the mean
            # logit, which are linear in the weights: no second pass over the logits.
            weight, bias = self.output.weight, self.output.bias
            direction = nn.functional.embedding(targets, weight) - weight.mean(0)
            smoothed = total + share * ((readouts * direction).sum() + (bias[targets] - bias.mean()).sum())
        return Loss(total.detach(), len(targets), smoothed / len(targets))

    def log_probabilities(self, readouts: Tensor) -> Tensor:
        """Log-probabilities of the target language's tokens, (..., embedding) -> (..., target)."""
        return torch.log_softmax(self.output(readouts).float(), dim=-1)
