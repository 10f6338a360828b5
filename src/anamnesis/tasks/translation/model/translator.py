"""A network with its two languages: translates sentences by greedy or beam search."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anamnesis.data.text.placeholders import MARKERS
from anamnesis.errors import AnamnesisError
from anamnesis.nn.search import Hypothesis, Step, check_beam, search
from anamnesis.nn.search import State as FlatState
from anamnesis.nn.stack import flatten
from anamnesis.tasks.translation.model.batches import pad_columns
from anamnesis.tasks.translation.model.languages import EncodedText, Language
from anamnesis.tasks.translation.model.network import EncoderDecoder, Memory
from anamnesis.tasks.translation.model.translations import Translation
from anamnesis.tasks.translation.settings import Search

# Sentences in a batch of the search, on a CPU and on a GPU.
BATCH, GPU_BATCH = 64, 512
# Rows of the search times source tokens in a batch on a GPU: at 1,024 units, each array that attends to the source then
# has at most 256 MB.
GPU_CELLS = 2**15
# Tokens of a text, at most: networks are trained on single sentences.
LONGEST = 1000


@dataclass(frozen=True)
class NetworkTranslator:
    """Translates with a network in evaluation mode.

    Attributes:
        card: the model's card.
        source, target: the languages.
        network: as large as the languages.
        search: the experiment's `search` block.
    """

    card: dict[str, Any]
    source: Language
    target: Language
    network: EncoderDecoder
    search: Search

    def translate(
        self, texts: list[str], beam: int, n_best: int = 1, progress: Callable[[int], object] = lambda count: None
    ) -> list[list[Translation]]:
        """The best translations of each text, best first; an empty text has one empty translation.

        Where the tokenizers have markers, a translation has each placeholder at most as often as its text. The
        translations that lost the fewest placeholders come first, whatever their scores.

        Args:
            beam: hypotheses that the search follows; 1 is greedy search.
            n_best: translations of each text, at most `beam`.
            progress: called with the number of texts translated since the last call.

        Raises:
            AnamnesisError: a text has more than `LONGEST` tokens, or `beam` or `n_best` is out of range.
        """
        check_beam(beam, n_best)
        encoded = [self.source.encode(text) for text in texts]
        for number, text in enumerate(encoded, start=1):
            if len(text.ids) > LONGEST:
                raise AnamnesisError(
                    f"text {number} has {len(text.ids):,} tokens; allowed: at most {LONGEST:,}; cut it into sentences"
                )
        results = [[Translation("", 0.0, [], [])] for _ in texts]
        # An empty text is the end token alone. Texts of equal length share a batch: their searches end together.
        order = sorted(
            (index for index, text in enumerate(encoded) if len(text.ids) > 1),
            key=lambda index: (bool(encoded[index].copies), len(encoded[index].ids)),
        )
        progress(len(texts) - len(order))
        for group in self._groups(order, [len(text.ids) for text in encoded], beam):
            for index, hypotheses in zip(group, self._search([encoded[i] for i in group], beam, n_best), strict=True):
                results[index] = [self._translation(each, encoded[index]) for each in hypotheses[:n_best]]
            progress(len(group))
        return results

    def _groups(self, order: list[int], lengths: list[int], width: int) -> Iterator[list[int]]:
        """The numbers of the texts in each batch of the search.

        Args:
            order: the numbers of the texts, in which a batch follows the other.
            lengths: tokens of each text.
            width: rows of a text.
        """
        on_cpu, group = self.network.output.weight.device.type == "cpu", list[int]()
        longest = 0
        for index in order:
            longest = max(longest, lengths[index])
            size = len(group) + 1
            if group and (size > BATCH if on_cpu else size > GPU_BATCH or size * width * longest > GPU_CELLS):
                yield group
                group, longest = [], lengths[index]
            group.append(index)
        if group:
            yield group

    def _search(self, sources: list[EncodedText], width: int, n_best: int) -> list[list[Hypothesis]]:
        """At least `n_best` hypotheses of each source, if there are so many; those with the most markers first."""
        device = self.network.output.weight.device
        lengths = torch.tensor([len(each.ids) for each in sources])
        limits = ((lengths * self.search.ratio).long() + self.search.extra).tolist()
        columns = pad_columns([np.array(each.ids) for each in sources], self.source.end)
        with torch.inference_mode():
            encoder_state, memory = self.network.encode(torch.from_numpy(columns).to(device), lengths)
            state = tuple(flatten(encoder_state))
            if self.network.feeding:
                state = (*state, self.network.start_of_feeding(len(sources)))
            step = _step(self.network, memory)
            if self.target.markers:
                step, state = _limit_markers(step, self.target, device), (*state, _counts(sources).to(device))
            if any(each.copies for each in sources):
                # The hypothesis that lost the fewest markers may be the last of the beam.
                n_best = width
            start, end = self.target.start, self.target.end
            results = search(step, state, start, end, limits, width, n_best, self.search.length_penalty)
        return [sorted(each, key=partial(self._lost, source)) for each, source in zip(results, sources, strict=True)]

    def _lost(self, source: EncodedText, hypothesis: Hypothesis) -> int:
        """How many of a source's markers a hypothesis lacks; it never has too many."""
        return sum(source.counts) - sum(i in self.target.markers for i in hypothesis.ids)

    def _translation(self, hypothesis: Hypothesis, source: EncodedText) -> Translation:
        ids = hypothesis.ids
        tokens = self.target.display([*ids, self.target.end] if hypothesis.finished else ids, source.copies)
        return Translation(self.target.decode(ids, source), hypothesis.score, tokens, ids)


def _counts(sources: Sequence[EncodedText]) -> Tensor:
    """How often each source has each marker, (sources, markers), int64."""
    result = torch.zeros(len(sources), len(MARKERS), dtype=torch.int64)
    for row, source in zip(result, sources, strict=True):
        row[: len(source.counts)] = torch.tensor(source.counts, dtype=torch.int64)
    return result


def _limit_markers(step: Step, target: Language, device: torch.device) -> Step:
    """A step that writes each marker at most as often as the source has it.

    The last part of its state is how often each marker may still be written, (rows, markers).
    """
    ids, numbers = (torch.tensor(each, device=device) for each in (list(target.markers), list(target.markers.values())))
    # The row of a token has a 1 in the column of its marker.
    uses = torch.zeros(target.size, len(MARKERS), dtype=torch.int64, device=device)
    uses[ids, numbers] = 1

    def limited(tokens: Tensor, state: FlatState, sentences: Tensor) -> tuple[Tensor, FlatState]:
        *inner, left = state
        left = left - uses[tokens]
        log_probabilities, after = step(tokens, tuple(inner), sentences)
        log_probabilities[:, ids] = log_probabilities[:, ids].masked_fill(left[:, numbers] <= 0, -torch.inf)
        return log_probabilities, (*after, left)

    return limited


def _step(network: EncoderDecoder, memory: Memory | None) -> Step:
    """A step of the decoder for `search`; with input feeding, the last part of its state is the last readout."""
    selected: tuple[Tensor | None, Memory | None] = (None, None)

    def step(tokens: Tensor, state: FlatState, sentences: Tensor) -> tuple[Tensor, FlatState]:
        nonlocal selected
        if memory is not None and selected[0] is not sentences:
            selected = sentences, Memory(*(each.index_select(0, sentences) for each in memory))
        fed = state[-1] if network.feeding else None
        readouts, after, _ = network.decode(tokens[None], network.decoder.unflatten(state), selected[1], fed)
        parts = flatten(after)
        return network.log_probabilities(readouts[0]), tuple([*parts, readouts[0]] if network.feeding else parts)

    return step
