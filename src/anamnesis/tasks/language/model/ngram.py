"""n-gram models with interpolated modified Kneser-Ney smoothing, in NumPy.

Chen and Goodman 1999, "An empirical study of smoothing techniques for language modeling", section 3. With the history
h = v h' of k-1 tokens and the counts c of order k:

    p_k(w | h) = max(c(h w) - D(c(h w)), 0) / c(h *)  +  gamma(h) p_{k-1}(w | h')
    gamma(h)   = (D_1 N_1(h *) + D_2 N_2(h *) + D_3 N_3+(h *)) / c(h *)
    D_j        = j - (j + 1) Y n_{j+1} / n_j,    Y = n_1 / (n_1 + 2 n_2)

N_j(h *) is the number of tokens seen j times after h, n_j the number of k-grams with the count j. The highest order
counts occurrences; the lower orders count the different tokens that precede a k-gram (Kneser and Ney 1995). p_0 is
uniform, so that an unseen token keeps some probability. After an unseen history, p_k = p_{k-1}.

No token precedes a text: an n-gram that starts with `<s>` has its occurrences as its count (Heafield et al. 2013,
section 3.2), no n-gram contains `<s>` at another place, and `<s>` is never predicted. A text without `<s>` gets a
virtual `<s>` before its first token.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property, reduce
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.metrics.targets import TargetScores, credit
from anamnesis.tasks.language.model.language_model import LanguageModel

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# For orders whose counts leave a discount undefined, as in a corpus of five letters.
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
# One more than 5, to notice a tie between the fifth and the sixth token.
LEADERS = 6
# The node of an n-gram that is not in the trie.
NOWHERE = -1
# Tokens counted at once.
BLOCK = 2**20


def count(
    ids: NDArray[np.integer], order: int, vocabulary_size: int, start_id: int | None, block: int = BLOCK
) -> dict[str, NDArray[Any]]:
    """The counts of a text's n-grams, as arrays by name.

    The n-grams of order k are the nodes at depth k of a trie. A node is numbered by the rank of its key,
    `node of the first k-1 tokens * base + last token`, where base is the vocabulary's size including `<s>`. At depth 1
    the node is the token.

    Args:
        ids: the tokens (tokens,), with `start_id` before each sentence where there is one; may be a memory map.
        block: tokens counted at once, which changes only time and memory.

    Returns:
        For K from 2, `keys.K` (n-grams of order K,) int64, rising; for K from 1, `counts.K` (n-grams of order K,)
        uint32: the counts c of the equations.

    Raises:
        AnamnesisError: the text has no token to count.
    """
    boundary, base = _boundary(vocabulary_size, start_id)
    text = ids[1:] if len(ids) and ids[0] == boundary else ids
    if not any((text[first : first + block] != boundary).any() for first in range(0, len(text), block)):
        raise AnamnesisError("the training split has no token to count")
    arrays: dict[str, NDArray[Any]] = {}
    counts = sum(
        (np.bincount(text[first : first + block], minlength=base) for first in range(0, len(text), block)),
        np.zeros(base, np.int64),
    )
    counts[boundary] = 0
    starts = np.arange(base) == boundary
    # The node of the last k-1 tokens at each place; NOWHERE if `<s>` is among them but the first. It is the only array
    # of the text's length: all else is computed in blocks.
    kind: type[np.signedinteger] = np.int32 if len(text) < 2**31 else np.int64
    nodes: NDArray[np.signedinteger] = np.empty(len(text) + 1, kind)
    nodes[0], nodes[1:] = boundary, text
    for k in range(2, order + 1):
        keys, occurrences = _tally(block_keys for _, _, block_keys in _blocks(nodes, text, boundary, base, block))
        suffixes = np.empty_like(keys)
        for own, places, block_keys in _blocks(nodes, text, boundary, base, block):
            different, inverse = np.unique(block_keys, return_inverse=True)
            ranks = np.searchsorted(keys, different)[inverse]
            suffixes[ranks] = own[places]
            own[:] = NOWHERE
            own[places] = ranks
        nodes[0] = NOWHERE
        continuations = np.bincount(suffixes, minlength=len(counts))
        arrays[f"counts.{k - 1}"] = np.where(starts, counts, continuations).astype(np.uint32)
        arrays[f"keys.{k}"] = keys
        counts, starts = occurrences, starts[keys // base]
    arrays[f"counts.{order}"] = counts.astype(np.uint32)
    return arrays


def _blocks(
    nodes: NDArray[np.signedinteger], text: NDArray[np.integer], boundary: int, base: int, block: int
) -> Iterator[tuple[NDArray[np.signedinteger], Ints, Ints]]:
    """For each block of a text: a writable view of its nodes, the places where longer n-grams end, and their keys."""
    before = nodes[0]
    for first in range(0, len(text), block):
        tokens = text[first : first + block].astype(np.int64)
        own = nodes[first + 1 : first + 1 + len(tokens)]
        parents = np.concatenate(([before], own[:-1])).astype(np.int64)
        before = own[-1]
        places = np.flatnonzero((parents != NOWHERE) & (tokens != boundary))
        yield own, places, parents[places] * base + tokens[places]


def _tally(blocks: Iterable[Ints]) -> tuple[Ints, Ints]:
    """The different keys of all blocks, rising, and their counts."""
    tallies: list[tuple[Ints, Ints]] = []
    for keys in blocks:
        tallies.append(np.unique(keys, return_counts=True))
        # Merge tallies of similar sizes, so that each key is merged only a few times.
        while len(tallies) > 1 and len(tallies[-2][0]) <= 2 * len(tallies[-1][0]):
            tallies.append(_merge(tallies.pop(), tallies.pop()))
    return reduce(_merge, tallies)


def _merge(one: tuple[Ints, Ints], other: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    keys, counts = (np.concatenate(both) for both in zip(one, other, strict=True))
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.diff(keys, prepend=NOWHERE))
    return (keys[first], np.add.reduceat(counts[order], first)) if len(keys) else (keys, counts)


def discounts(counts: NDArray[np.integer]) -> tuple[float, float, float]:
    """D_1, D_2 and D_3 of one order from the counts (n-grams,) of its n-grams; Chen and Goodman 1999, equation 26.

    A discount that is undefined or outside of 0 < D_j < j becomes that of `FALLBACK_DISCOUNTS`.
    """
    n = np.bincount(np.minimum(counts, 5).astype(np.int64), minlength=6)
    share = n[1] / (n[1] + 2 * n[2]) if n[1] else 0.0
    result = []
    for j in (1, 2, 3):
        value = j - (j + 1) * share * n[j + 1] / n[j] if n[j] else 0.0
        result.append(float(value) if 0 < value < j else FALLBACK_DISCOUNTS[j - 1])
    return result[0], result[1], result[2]


class NGramModel(LanguageModel):
    """An n-gram model; its state (batch, order - 1) int64 holds the nodes of the last k tokens for k from 1.

    Args:
        card: the model's card.
        weights: the counts that `count` returns.
        tokenizer: the tokenizer of the training text.
        order: tokens in the longest n-gram.

    Raises:
        AnamnesisError: the counts are not those of a model of this order and vocabulary.
    """

    needs_distributions: ClassVar[bool] = False

    def __init__(
        self, card: dict[str, Any], weights: dict[str, NDArray[Any]], tokenizer: Tokenizer, order: int
    ) -> None:
        self.card, self.tokenizer, self.order = card, tokenizer, order
        self.vocabulary_size = tokenizer.vocabulary_size
        self._start, self._base = _boundary(self.vocabulary_size, tokenizer.start_id)
        _check(weights, self.order, self._base, self._start)
        # Lists over the order k, with empty arrays for unused orders; probabilities[k][node] is p_k of the node.
        self._keys: list[Ints] = [np.empty(0, np.int64)] * 2
        self._tokens: list[Ints] = [np.empty(0, np.int64)] * 2
        self._suffixes: list[Ints] = [np.empty(0, np.int64)] * 2
        self._children: list[Ints] = [np.empty(0, np.int64)]
        self._backoffs: list[Floats] = [np.empty(0)]
        self._probabilities: list[Floats] = [np.empty(0)]
        self._interpolate(weights)

    def initial_state(self, batch: int = 1) -> Ints:
        state = np.full((batch, self.order - 1), NOWHERE)
        state[:, :1] = self._start
        return state

    def predict(self, ids: Ints, state: Ints) -> tuple[Floats, Ints]:
        """See `LanguageModel.predict`; float64."""
        histories, state = self._read(ids, state)
        # The longest known history determines the shorter ones: one number identifies them all.
        names = np.zeros(ids.shape, np.int64)
        for k in range(1, self.order):
            history = histories[..., k - 1]
            names = np.where(history != NOWHERE, history * self.order + k, names)
        _, first, inverse = np.unique(names, return_index=True, return_inverse=True)
        with np.errstate(divide="ignore"):
            rows = np.log(self._distributions(histories.reshape(ids.size, self.order - 1)[first]))
        return rows[inverse].reshape(*ids.shape, self.vocabulary_size), state

    def score_targets(self, ids: Ints, targets: Ints, state: Ints) -> tuple[TargetScores, Ints]:
        """See `LanguageModel.score_targets`; the same numbers without the whole distributions."""
        histories, state = self._read(ids, state)
        probabilities = self._probabilities[1][targets]
        leaders = np.broadcast_to(self._leaders[0], (*ids.shape, LEADERS)).copy()
        for k in range(1, self.order):
            history = histories[..., k - 1]
            node = self._child(k + 1, history, targets)
            seen, known = node != NOWHERE, history != NOWHERE
            probabilities = probabilities * self._backoffs[k][history]
            probabilities[seen] = self._probabilities[k + 1][node[seen]]
            leaders[known] = self._leaders[k][history[known]]
        better = (leaders > probabilities[..., None]).sum(axis=-1)
        ties = (leaders == probabilities[..., None]).sum(axis=-1)
        unsure = leaders[..., -1] == probabilities
        better[unsure], ties[unsure] = self._count_all(histories[unsure], probabilities[unsure])
        with np.errstate(divide="ignore"):
            return TargetScores(np.log(probabilities), credit(better, ties, 1), credit(better, ties, 5)), state

    def _interpolate(self, weights: dict[str, NDArray[Any]]) -> None:
        """Compute the equations of the module's docstring, from the shortest history to the longest."""
        counts = weights["counts.1"].astype(np.int64)
        predictable = self._base - 1
        kept, lost, totals = self._discount(counts, np.zeros(self._base, np.int64), 1)
        unigrams = kept / totals[0] + lost[0] / totals[0] / predictable
        unigrams[self._start] = 0.0
        self._probabilities.append(unigrams)
        for k in range(2, self.order + 1):
            keys, counts = weights[f"keys.{k}"], weights[f"counts.{k}"].astype(np.int64)
            parents, tokens = np.divmod(keys, self._base)
            histories = len(self._probabilities[k - 1])
            kept, lost, totals = self._discount(counts, parents, histories)
            # 1 for the last element, at the index NOWHERE, and for histories that no token follows.
            backoffs = np.ones(histories + 1)
            np.divide(lost, totals, out=backoffs[:-1], where=totals > 0)
            suffixes = tokens if k == 2 else self._child(k - 1, self._suffixes[k - 1][parents], tokens)
            if (suffixes == NOWHERE).any():
                raise AnamnesisError(f"the n-grams of order {k} do not fit those of order {k - 1}")
            lower = self._probabilities[k - 1][suffixes]
            self._probabilities.append(kept / totals[parents] + backoffs[parents] * lower)
            self._backoffs.append(backoffs)
            self._keys.append(keys)
            self._tokens.append(tokens)
            self._suffixes.append(suffixes)
            self._children.append(np.searchsorted(keys, np.arange(histories + 1) * self._base))

    @staticmethod
    def _discount(counts: Ints, parents: Ints, histories: int) -> tuple[Floats, Floats, Floats]:
        """Discounted counts (n-grams,), and each history's sum of discounts and of counts (histories,)."""
        values = np.array([0.0, *discounts(counts)])
        classes = np.minimum(counts, 3)
        lost = np.zeros(histories)
        for j in (1, 2, 3):
            lost += values[j] * np.bincount(parents[classes == j], minlength=histories)
        totals = np.bincount(parents, weights=counts, minlength=histories)
        return counts - values[classes], lost, totals.astype(np.float64)

    def _child(self, k: int, parents: Ints, tokens: Ints) -> Ints:
        """Nodes at depth k of the n-grams with last tokens `tokens` after `parents`; NOWHERE for unseen ones."""
        keys = self._keys[k]
        if len(keys) == 0:
            return np.full(parents.shape, NOWHERE)
        # A parent NOWHERE gives a negative key, which no n-gram has.
        own = parents * self._base + tokens
        places = np.minimum(np.searchsorted(keys, own), len(keys) - 1)
        return np.where(keys[places] == own, places, NOWHERE)

    def _read(self, ids: Ints, state: Ints) -> tuple[Ints, Ints]:
        """Nodes (batch, time, order - 1) of the last 1, 2, ... tokens at each of `ids` (batch, time), and the state."""
        histories = np.empty((*ids.shape, self.order - 1), np.int64)
        for k in range(1, self.order):
            if k == 1:
                histories[..., 0] = ids
            else:
                parents = np.concatenate((state[:, k - 2 : k - 1], histories[:, :-1, k - 2]), axis=1)
                histories[..., k - 1] = self._child(k, parents[:, : ids.shape[1]], ids)
        return histories, histories[:, -1] if ids.shape[1] else state

    def _distributions(self, histories: Ints) -> Floats:
        """Probabilities (n, vocabulary) after histories (n, order - 1)."""
        rows = np.repeat(self._probabilities[1][None, : self.vocabulary_size], len(histories), axis=0)
        for k in range(1, self.order):
            known = np.flatnonzero(histories[:, k - 1] != NOWHERE)
            history = histories[known, k - 1]
            rows[known] *= self._backoffs[k][history, None]
            first, last = self._children[k][history], self._children[k][history + 1]
            places = _ranges(first, last)
            rows[np.repeat(known, last - first), self._tokens[k + 1][places]] = self._probabilities[k + 1][places]
        return rows

    def _count_all(self, histories: Ints, probabilities: Floats) -> tuple[Ints, Ints]:
        """Numbers (n,) of tokens with a larger and with an equal probability, after histories (n, order - 1)."""
        better, ties = np.empty(len(probabilities), np.int64), np.empty(len(probabilities), np.int64)
        step = max(1, 2**22 // self.vocabulary_size)
        for first in range(0, len(probabilities), step):
            part = slice(first, first + step)
            rows = self._distributions(histories[part])
            better[part] = (rows > probabilities[part, None]).sum(axis=1)
            ties[part] = (rows == probabilities[part, None]).sum(axis=1)
        return better, ties

    @cached_property
    def _leaders(self) -> list[Floats]:
        """For k from 0, the largest probabilities after each node of k tokens: (nodes, LEADERS), falling.

        Tokens not seen after a history have the same order as after the shorter history. So the leaders are among the
        tokens seen and the leaders of the shorter history.
        """
        every = self._probabilities[1]
        tokens = np.argsort(-every, kind="stable")[:LEADERS]
        missing = LEADERS - len(tokens)
        names = np.pad(tokens, (0, missing), constant_values=NOWHERE)[None]
        values = np.pad(every[tokens], (0, missing), constant_values=-1.0)[None]
        result = [values]
        for k in range(1, self.order):
            nodes = len(self._probabilities[k])
            shorter = np.zeros(nodes, np.int64) if k == 1 else self._suffixes[k]
            inherited_names = names[shorter]
            inherited = values[shorter] * self._backoffs[k][:-1, None]
            seen = self._child(k + 1, np.arange(nodes)[:, None], inherited_names) != NOWHERE
            inherited[seen | (inherited_names == NOWHERE)] = -1.0
            own_names, own = np.full((nodes, LEADERS), NOWHERE), np.full((nodes, LEADERS), -1.0)
            parents = self._keys[k + 1] // self._base
            falling = np.lexsort((-self._probabilities[k + 1], parents))
            rank = np.arange(len(parents)) - self._children[k][parents]
            falling, rank = falling[rank < LEADERS], rank[rank < LEADERS]
            own_names[parents[falling], rank] = self._tokens[k + 1][falling]
            own[parents[falling], rank] = self._probabilities[k + 1][falling]
            names, values = np.concatenate((own_names, inherited_names), 1), np.concatenate((own, inherited), 1)
            best = np.argsort(-values, axis=1, kind="stable")[:, :LEADERS]
            names, values = np.take_along_axis(names, best, 1), np.take_along_axis(values, best, 1)
            result.append(values)
        return result


def _boundary(vocabulary_size: int, start_id: int | None) -> tuple[int, int]:
    """The id of `<s>`, which may be virtual, and the number of ids including it."""
    return (vocabulary_size, vocabulary_size + 1) if start_id is None else (start_id, vocabulary_size)


def _ranges(first: Ints, last: Ints) -> Ints:
    """The ranges from first[i] to last[i] - 1, concatenated."""
    lengths = last - first
    return np.arange(lengths.sum()) + np.repeat(first - np.cumsum(lengths) + lengths, lengths)


def _check(weights: dict[str, NDArray[Any]], order: int, base: int, start: int) -> None:
    names = {f"counts.{k}" for k in range(1, order + 1)} | {f"keys.{k}" for k in range(2, order + 1)}
    if set(weights) != names:
        raise AnamnesisError(f"an n-gram model of order {order} has the arrays {', '.join(sorted(names))}")
    histories = base
    for k in range(1, order + 1):
        counts = weights[f"counts.{k}"]
        size = base if k == 1 else weights[f"keys.{k}"].size
        if counts.dtype != np.uint32 or counts.shape != (size,):
            raise AnamnesisError(f"counts.{k} is not one count for each n-gram")
        if k == 1:
            sound = counts[start] == 0 and counts.any()
        else:
            keys = weights[f"keys.{k}"]
            sound = keys.dtype == np.int64 and keys.ndim == 1 and bool((np.diff(keys) > 0).all()) and counts.all()
            sound = sound and (size == 0 or (keys[0] >= 0 and keys[-1] < histories * base))
            sound = sound and not (keys % base == start).any()
        if not sound:
            raise AnamnesisError(f"the n-grams of order {k} are not those of a counted text")
        histories = size
