"""Characters: every character is a token."""

from collections.abc import Iterable, Iterator

import numpy as np

from anamnesis.data.text.blocks import CODEPOINTS, codepoints
from anamnesis.data.tokenizers.base import UNKNOWN, Chunk, Tokenizer, check, rank

REPLACEMENT = "\ufffd"


class Characters(Tokenizer):
    """One id for each character of the training split, and `<unk>`, which is decoded as U+FFFD.

    Raises:
        ValueError: the tokens are not `<unk>` followed by different single characters.
    """

    kind = "characters"
    unknown_id = 0

    def __init__(self, tokens: list[str]) -> None:
        check(tokens, [UNKNOWN])
        if any(len(token) != 1 for token in tokens[1:]):
            raise ValueError("a token of kind characters must be one character")
        self.tokens = tokens
        self._ids = np.zeros(CODEPOINTS, np.min_scalar_type(len(tokens) - 1))
        self._ids[codepoints("".join(tokens[1:]))] = np.arange(1, len(tokens))

    def chunks(self, blocks: Iterable[str]) -> Iterator[Chunk]:
        for block in blocks:
            ids = self._ids[codepoints(block)]
            yield Chunk(ids, int(np.count_nonzero(ids == 0)))

    def stream(self, ids: Iterable[int]) -> Iterator[str]:
        return (self.tokens[i] if i else REPLACEMENT for i in ids)


def learn(blocks: Iterable[str]) -> Characters:
    """The tokenizer of all characters of a text, the most frequent first."""
    counts = np.zeros(CODEPOINTS, np.int64)
    for block in blocks:
        occurrences = np.bincount(codepoints(block))
        counts[: len(occurrences)] += occurrences
    return Characters([UNKNOWN, *rank({chr(i): int(counts[i]) for i in np.flatnonzero(counts)})])
