"""Bigrams: every two characters are a token: "the end" becomes "th", "e ", "en", "d"."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np

from anamnesis.data.text.blocks import CODEPOINTS, codepoints
from anamnesis.data.tokenizers.base import UNKNOWN, Chunk, Tokenizer, check, rank
from anamnesis.data.tokenizers.characters import REPLACEMENT

# Size of the largest table of all pairs of characters; a larger alphabet needs binary search.
TABLE = 1 << 24


class Bigrams(Tokenizer):
    """One id for each bigram and each character of the training split, and `<unk>`.

    Each document of a text is cut by itself, and the line between two documents, "\\f\\n", is one piece. A document of
    odd length ends with a single character. A bigram that the training split does not have becomes two single
    characters, so that decoding restores the text.

    Raises:
        ValueError: the tokens are not `<unk>` followed by different strings of one or two characters, with both
            characters of each bigram.
    """

    kind = "bigrams"
    unknown_id = 0

    def __init__(self, tokens: list[str]) -> None:
        check(tokens, [UNKNOWN])
        if any(len(token) > 2 for token in tokens[1:]):
            raise ValueError("a token of kind bigrams must be one or two characters")
        ids = {token: number for number, token in enumerate(tokens)}
        alphabet = [token for token in tokens if len(token) == 1]
        pairs = [token for token in tokens[1:] if len(token) == 2]
        if not {*"".join(pairs)} <= {*alphabet}:
            raise ValueError("a character of a bigram is missing among the tokens")
        self.tokens = tokens
        # Numbers of characters in the alphabet from 1; 0 is any other character. Id 0 is <unk> or "no such pair".
        self._index = np.zeros(CODEPOINTS, np.uint32)
        self._index[codepoints("".join(alphabet))] = np.arange(1, len(alphabet) + 1)
        self._single = np.array([0, *(ids[character] for character in alphabet)], np.uint32)
        numbers = self._index[codepoints("".join(pairs))].reshape(-1, 2)
        keys = self._key(numbers[:, 0], numbers[:, 1])
        order = np.argsort(keys)
        self._keys, self._pairs = keys[order], np.array([ids[pair] for pair in pairs], np.uint32)[order]
        self._table: np.ndarray | None = None
        if len(self._single) ** 2 <= TABLE:
            self._table = np.zeros(len(self._single) ** 2, np.uint32)
            self._table[self._keys] = self._pairs

    def _key(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return first.astype(np.int64) * len(self._single) + second

    def _look_up(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The ids of pairs of alphabet numbers, shape (pairs,); 0 where there is no such pair."""
        keys = self._key(first, second)
        if self._table is not None:
            return self._table[keys]
        if not len(self._keys):
            return np.zeros(len(keys), np.uint32)
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[place] == keys, self._pairs[place], 0)

    def chunks(self, blocks: Iterable[str]) -> Iterator[Chunk]:
        for first, second, alone in _cut(blocks):
            a, b = self._index[first], self._index[second]
            ids = self._look_up(a, b)
            ids[alone] = self._single[a[alone]]
            apart = np.flatnonzero((ids == 0) & ~alone)
            ids[apart] = self._single[a[apart]]
            ids = np.insert(ids, apart + 1, self._single[b[apart]])
            yield Chunk(ids, int(np.count_nonzero(ids == 0)))

    def stream(self, ids: Iterable[int]) -> Iterator[str]:
        return (self.tokens[i] if i else REPLACEMENT for i in ids)


def learn(blocks: Iterable[str]) -> Bigrams:
    """The tokenizer of all bigrams and all characters of a text, the most frequent pieces first."""
    counts: Counter[str] = Counter()
    seen = np.zeros(CODEPOINTS, bool)
    for first, second, alone in _cut(blocks):
        seen[first] = True
        seen[second] = True
        for character, count in zip(*np.unique(first[alone], return_counts=True), strict=True):
            counts[chr(character)] += int(count)
        keys = (first[~alone].astype(np.int64) << 21) | second[~alone]
        for key, count in zip(*(array.tolist() for array in np.unique(keys, return_counts=True)), strict=True):
            counts[chr(key >> 21) + chr(key & 0x1FFFFF)] += count
    singles = {chr(number): 0 for number in np.flatnonzero(seen)}
    return Bigrams([UNKNOWN, *rank(singles | counts)])


class _Pieces(NamedTuple):
    """Code points of pieces, each (pieces,); where `alone`, a piece has only its first character."""

    first: np.ndarray
    second: np.ndarray
    alone: np.ndarray


def _cut(blocks: Iterable[str]) -> Iterator[_Pieces]:
    rest, before = np.empty(0, np.uint32), ord("\n")
    for block in chain(blocks, [None]):
        text = rest if block is None else np.concatenate([rest, codepoints(block)])
        if not len(text):
            continue
        starts, alone = _starts(text, before)
        if block is not None:
            # A piece is certain once the two characters after it are known, which may be a separator.
            certain = max(int(np.searchsorted(starts, len(text) - 2, side="right")) - 1, 0)
            end = int(starts[certain])
            rest, before = text[end:], int(text[end - 1]) if end else before
            starts, alone = starts[:certain], alone[:certain]
        yield _Pieces(text[starts], text[np.minimum(starts + 1, len(text) - 1)], alone)


def _starts(text: np.ndarray, before: int) -> tuple[np.ndarray, np.ndarray]:
    """The start of each piece of a text, and whether it has one character; `before`: the code point before the text."""
    feeds = np.flatnonzero(text[:-1] == ord("\f"))
    previous = np.where(feeds > 0, text[feeds - 1], before)
    feeds = feeds[(text[feeds + 1] == ord("\n")) & (previous == ord("\n"))]
    bounds = np.unique(np.concatenate([[0], feeds, feeds + 2, [len(text)]]))
    lengths = np.diff(bounds)
    numbers = (lengths + 1) // 2
    last = np.cumsum(numbers)
    starts = np.repeat(bounds[:-1] - 2 * (last - numbers), numbers) + 2 * np.arange(last[-1])
    alone = np.zeros(len(starts), bool)
    alone[last[lengths % 2 == 1] - 1] = True
    return starts, alone
