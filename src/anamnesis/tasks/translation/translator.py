"""A trained network with its two languages: sentences in, translations with their scores out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anamnesis.data.text.placeholders import MARKERS
from anamnesis.errors import AnamnesisError
from anamnesis.nn.search import Hypothesis, Step, beam, greedy
from anamnesis.nn.search import State as Parts
from anamnesis.nn.stack import State, flatten
from anamnesis.tasks.translation.batches import collate, padded
from anamnesis.tasks.translation.network import EncoderDecoder, Memory
from anamnesis.tasks.translation.settings import WIDEST, Search
from anamnesis.tasks.translation.sides import Reading, Side
from anamnesis.tasks.translation.translations import Translation

# Sentences that are translated side by side.
ROWS = 64
# Tokens of a sentence: a longer one is no sentence, and a state that never saw the like has nothing to say.
LONGEST = 1000


@dataclass(frozen=True)
class NetworkTranslator:
    """Translates with a network in evaluation mode.

    Attributes:
        card: the model's.
        source, target: the languages.
        network: it must fit them.
        search: the experiment's `search` block.
    """

    card: dict[str, Any]
    source: Side
    target: Side
    network: EncoderDecoder
    search: Search

    def translate(
        self, texts: list[str], beam: int, n_best: int = 1, progress: Callable[[int], object] = lambda sentences: None
    ) -> list[list[Translation]]:
        """The best translations of each text, best first; a text with nothing in it has an empty one.

        Where the tokenizers have markers, a translation has no placeholder that its text has not, nor more often. Those
        that lost fewer come first, whatever their scores.

        Args:
            beam: hypotheses that are followed at once; 1 is greedy search.
            n_best: translations of each text, at most `beam`.
            progress: told how many texts were translated since it was told last.

        Raises:
            AnamnesisError: a text has more than `LONGEST` tokens, `beam` is above `WIDEST`, or `n_best` above `beam`.
        """
        if not 1 <= beam <= WIDEST:
            raise AnamnesisError(f"beam: found {beam}; allowed: from 1 to {WIDEST}")
        if not 1 <= n_best <= beam:
            raise AnamnesisError(f"n-best: found {n_best}; allowed: from 1 to the beam's width, which is {beam}")
        read = self._read(texts)
        found: list[list[Translation]] = [[Translation("", 0.0, [])] for _ in texts]
        # The end token alone is nothing to translate. Equally long ones together: their searches end together.
        waiting = sorted(
            (index for index, reading in enumerate(read) if len(reading.ids) > 1),
            key=lambda index: (bool(read[index].parts), len(read[index].ids)),
        )
        progress(len(texts) - len(waiting))
        for first in range(0, len(waiting), ROWS):
            group = waiting[first : first + ROWS]
            for index, hypotheses in zip(group, self._search([read[i] for i in group], beam, n_best), strict=True):
                found[index] = [self._translation(each, read[index]) for each in hypotheses[:n_best]]
            progress(len(group))
        return found

    def attended(self, text: str, translation: Translation) -> tuple[list[str], Translation]:
        """The tokens of a text, and its translation with the weight each of them had for each token of it.

        Raises:
            AnamnesisError: the network has no attention.
        """
        if self.network.attention is None:
            raise AnamnesisError(f"{self.card['experiment']} has no attention to show")
        reading, written = self.source.read(text), [*translation.ids, self.target.end]
        with torch.inference_mode():
            batch = collate([np.array(reading.ids)], [np.array(written)], self.target.start)
            state, memory = self.network.encode(batch.source, torch.from_numpy(batch.lengths))
            _, _, weights = self.network.decode(batch.inputs, state, memory)
        assert weights is not None
        shown = self.target.spell(written[: len(translation.tokens)], reading.parts)
        rows: NDArray[np.floating] = weights[0, : len(shown)].numpy()
        return self.source.spell(reading.ids, reading.parts), replace(translation, attention=rows)

    def likelihoods(
        self, sources: Sequence[NDArray[np.int64]], targets: Sequence[NDArray[np.int64]]
    ) -> NDArray[np.float64]:
        """The log-probability of each target given its source by teacher forcing, in nats, (pairs,).

        Args:
            sources, targets: ids (tokens,), the end token last.
        """
        totals = np.zeros(len(targets))
        order = sorted(range(len(targets)), key=lambda index: len(targets[index]))
        with torch.inference_mode():
            for first in range(0, len(order), ROWS):
                group = order[first : first + ROWS]
                batch = collate([sources[i] for i in group], [targets[i] for i in group], self.target.start)
                values = self.network.log_probabilities(self.network(batch)).gather(1, batch.targets[:, None])
                columns = batch.places.numpy() % len(group)
                np.add.at(totals, np.array(group)[columns], values.squeeze(1).double().numpy())
        return totals

    def _read(self, texts: list[str]) -> list[Reading]:
        read = [self.source.read(text) for text in texts]
        for number, length in enumerate((len(each.ids) for each in read), start=1):
            if length > LONGEST:
                raise AnamnesisError(
                    f"text {number} has {length:,} tokens; allowed: at most {LONGEST:,}; cut it into sentences"
                )
        return read

    def _search(self, sources: list[Reading], width: int, n_best: int) -> list[list[Hypothesis]]:
        """The hypotheses of each source, best first: `n_best`, or more, of which those come first that lost least."""
        # While it is trained, the network may be on another device.
        device = self.network.output.weight.device
        lengths = torch.tensor([len(each.ids) for each in sources])
        limits = ((lengths * self.search.ratio).long() + self.search.extra).to(device)
        columns = padded([np.array(each.ids) for each in sources], self.source.end)
        marked = any(each.parts for each in sources)
        with torch.inference_mode():
            state, memory = self.network.encode(torch.from_numpy(columns).to(device), lengths)
            step, parts = _step(self.network, memory), _parts(self.network, state)
            if self.target.markers:
                step, parts = _within(step, self.target, device), (*parts, _counts(sources).to(device))
            start, end, penalty = self.target.start, self.target.end, self.search.length_penalty
            if width == 1:
                return [[found] for found in greedy(step, parts, start, end, limits, penalty)]
            found = beam(step, parts, start, end, limits, width, width if marked else n_best, penalty)
        return [sorted(each, key=partial(self._lost, source)) for each, source in zip(found, sources, strict=True)]

    def _lost(self, source: Reading, found: Hypothesis) -> int:
        """How many placeholders of a source a hypothesis lost; it cannot have too many."""
        return sum(source.counts) - sum(i in self.target.markers for i in found.ids)

    def _translation(self, found: Hypothesis, source: Reading) -> Translation:
        shown = self.target.spell([*found.ids, self.target.end] if found.finished else found.ids, source.parts)
        return Translation(self.target.write(found.ids, source), found.score, shown, ids=found.ids)


def _counts(sources: Sequence[Reading]) -> Tensor:
    """How often each source has each part, (sources, markers), int64."""
    result = torch.zeros(len(sources), len(MARKERS), dtype=torch.int64)
    for row, source in zip(result, sources, strict=True):
        row[: len(source.counts)] = torch.tensor(source.counts, dtype=torch.int64)
    return result


def _within(step: Step, target: Side, device: torch.device) -> Step:
    """A step that writes no marker more often than the source has it.

    The last part of its state counts how often each marker may still come, (rows, markers).
    """
    ids, numbers = (torch.tensor(each, device=device) for each in (list(target.markers), list(target.markers.values())))
    # In the row of a token, 1 in the column of its marker.
    uses = torch.zeros(target.size, len(MARKERS), dtype=torch.int64, device=device)
    uses[ids, numbers] = 1

    def within(tokens: Tensor, parts: Parts, sentences: Tensor) -> tuple[Tensor, Parts]:
        *inner, left = parts
        left = left - uses[tokens]
        following, after = step(tokens, tuple(inner), sentences)
        following[:, ids] = following[:, ids].masked_fill(left[:, numbers] <= 0, -torch.inf)
        return following, (*after, left)

    return within


def _parts(network: EncoderDecoder, state: State) -> Parts:
    """The decoder's state, and with input feeding what it attended to, in one row of tensors."""
    parts = flatten(state)
    return tuple([*parts, network.start_of_feeding(len(parts[0]))] if network.feeding else parts)


def _step(network: EncoderDecoder, memory: Memory | None) -> Step:
    """One step of a network's decoder, as a search wants it."""
    kept: tuple[Tensor | None, Memory | None] = (None, None)

    def step(tokens: Tensor, parts: Parts, sentences: Tensor) -> tuple[Tensor, Parts]:
        nonlocal kept
        if memory is not None and kept[0] is not sentences:
            kept = sentences, Memory(*(each.index_select(0, sentences) for each in memory))
        fed = parts[-1] if network.feeding else None
        readouts, state, _ = network.decode(tokens[None], network.decoder.unflatten(parts), kept[1], fed)
        after = flatten(state)
        return network.log_probabilities(readouts[0]), tuple([*after, readouts[0]] if network.feeding else after)

    return step
