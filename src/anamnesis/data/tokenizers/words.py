"""Words: every word and punctuation mark is a token, in sentences between `<s>` and `</s>`."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.text.blocks import pieces
from anamnesis.data.tokenizers.base import END, START, UNKNOWN, Chunk, Tokenizer, check, rank
from anamnesis.data.tokenizers.sentences import rule, words
from anamnesis.errors import AnamnesisError

SPECIAL = [UNKNOWN, START, END]

_AROUND = {*"-–—/", "--", "---"}
_NO_SPACE_BEFORE = {*".,;:!?…%)]}”’»", "..", "..."} | _AROUND
_NO_SPACE_AFTER = {*"([{“‘«$£€#"} | _AROUND
_QUOTES = {*"\"'_*"}
_CLOSED_AFTER = {*".!?…", "..", "..."}


class Words(Tokenizer):
    """One id for each word of the vocabulary, after `<unk>`, `<s>` and `</s>`; `sentences.py` cuts the text.

    Ids do not state spaces and line ends (`leftovers.py` lists them): `decode` puts one space before a word, none
    before a punctuation mark (no spaces at all in Chinese), and each sentence on its own line. Where marks are deleted,
    white space separates words, and every token except special ones is a word. `cut(sentence)` lists the words of a
    sentence in their original case.

    Raises:
        ValueError: the tokens are not `<unk>`, `<s>`, `</s>` followed by different words.
    """

    kind = "words"
    unknown_id, start_id, end_id = 0, 1, 2

    def __init__(
        self,
        tokens: list[str],
        language: str = "en",
        lower: bool = False,
        sentences: str = "punctuation",
        delete: str = "",
    ) -> None:
        check(tokens, SPECIAL)
        self.tokens, self.language, self.lower, self.sentences, self.delete = tokens, language, lower, sentences, delete
        # A literal `<s>` in a text is a word, not a special token.
        self._ids = {token: number for number, token in enumerate(tokens) if number >= len(SPECIAL)}
        self.cut = _cutter(language, delete)

    def chunks(
        self, blocks: Iterable[str], observe: Callable[[str, list[str]], object] | None = None
    ) -> Iterator[Chunk]:
        """As `Tokenizer.chunks`; `observe(piece, words)` is called for each piece of the text."""
        for some in pieces(blocks, rule(self.language, self.sentences)):
            ids: list[int] = []
            unknown: list[str] = []
            for sentence in some:
                cut = self.cut(sentence)
                if observe:
                    observe(sentence, cut)
                if cut:
                    numbers, missing = self._look_up(cut)
                    ids += (1, *numbers, 2)
                    unknown += missing
            lengths = [len(word) if any(map(str.isalnum, word)) else 0 for word in unknown]
            yield Chunk(np.array(ids, np.uint32), sum(map(len, unknown)), np.array(lengths, np.uint32))

    def _look_up(self, cut: list[str]) -> tuple[list[int], list[str]]:
        """The ids of words, and the unknown words."""
        words = list(map(str.lower, cut)) if self.lower else cut
        ids = list(map(self._ids.get, words, repeat(0)))
        return ids, [word for word, i in zip(words, ids, strict=True) if not i] if 0 in ids else []

    def encode(self, text: str) -> np.ndarray:
        ids = super().encode(text)
        return ids[:-1] if len(ids) else np.array([self.start_id])

    def encode_sentence(self, text: str) -> np.ndarray:
        return np.array([self.start_id, *self._look_up(self.cut(text))[0], self.end_id])

    def stream(self, ids: Iterable[int]) -> Iterator[str]:
        line, has_words, separator = "", False, self.separator()
        for i in ids:
            if i == self.start_id or i == self.end_id:
                line = "\n" if has_words else line
                has_words, separator = False, self.separator()
                yield ""
                continue
            token = self.tokens[i]
            yield line + separator(token) + token
            line, has_words = "", True

    def separator(self) -> Callable[[str], str]:
        """A function that returns what `decode` puts before each word or mark of a sentence, called in their order."""
        before, glued, opened = "", True, set[str]()

        def find(token: str) -> str:
            nonlocal before, glued, opened
            # One mark opens and closes: it closes an open quotation, or follows the mark that ends a sentence.
            closes = token in _QUOTES and (token in opened or before in _CLOSED_AFTER)
            opens = token in _QUOTES and not closes
            opened = opened | {token} if opens else opened - {token}
            if self.language == "zh":
                space = _ascii_word(before[-1:]) and _ascii_word(token[:1])
            else:
                space = not (glued or closes or token in _NO_SPACE_BEFORE)
            before, glued = token, opens or token in _NO_SPACE_AFTER
            return " " if space else ""

        return find

    def state_dict(self) -> dict[str, Any]:
        rules = {"language": self.language, "lower": self.lower, "sentences": self.sentences}
        return rules | ({"delete": self.delete} if self.delete else {})

    def words(self, blocks: Iterable[str]) -> Iterator[str]:
        """All words and marks of a text in order, unknown ones included."""
        for some in pieces(blocks, rule(self.language, self.sentences)):
            for sentence in some:
                yield from map(str.lower, self.cut(sentence)) if self.lower else self.cut(sentence)


def _cutter(language: str, delete: str) -> Callable[[str], list[str]]:
    """The function that lists the words of a sentence."""
    if not delete:
        return words(language)
    table = str.maketrans("", "", delete)
    return lambda sentence: sentence.translate(table).split()


def _ascii_word(character: str) -> bool:
    return character.isascii() and character.isalnum()


def learn(
    blocks: Iterable[str],
    limit: int | None = None,
    minimum_count: int = 1,
    language: str = "en",
    lower: bool = False,
    sentences: str = "punctuation",
    delete: str = "",
) -> Words:
    """The tokenizer of a text's most frequent words.

    Args:
        limit: largest vocabulary, special tokens included.
        minimum_count: a word that occurs less often is left out.
    """
    counts = Counter(Words(SPECIAL, language, lower, sentences, delete).words(blocks))
    frequent = rank({word: count for word, count in counts.items() if count >= minimum_count and word not in SPECIAL})
    tokens = [*SPECIAL, *frequent[: None if limit is None else limit - len(SPECIAL)]]
    return Words(tokens, language, lower, sentences, delete)


def word_tokens(tokenizer: Tokenizer) -> NDArray[np.bool_]:
    """For each token (vocabulary,) whether it is a word: it has a letter or digit, and is not a special token.

    Raises:
        AnamnesisError: the tokens are not words.
    """
    if tokenizer.kind != "words":
        raise AnamnesisError(f"tokens: found kind {tokenizer.kind}; allowed: words")
    result = np.array([any(map(str.isalnum, token)) for token in tokenizer.tokens])
    result[: len(SPECIAL)] = False
    return result
