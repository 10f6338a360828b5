"""Subwords: byte-pair encoding over bytes by the `tokenizers` library; decoding restores every text.

Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units"; over bytes, with one printable
symbol for each byte, as in GPT-2 (Radford et al. 2019). Each line is encoded by itself.
"""

import codecs
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from anamnesis.data.text.blocks import LINES, pieces
from anamnesis.data.text.placeholders import MARKERS
from anamnesis.data.tokenizers.base import Chunk, Tokenizer, check

if TYPE_CHECKING:
    import tokenizers


class Subwords(Tokenizer):
    """One id for each byte and each merge of two tokens.

    There are no special tokens: a literal "<s>" in a text is three bytes. A model may generate bytes that form no
    character; `decode` leaves them out.

    Attributes:
        placeholders: texts have markers of placeholders (`text.placeholders`); a token may join a marker only to the
            space before it.

    Raises:
        ValueError: the tokens are not different strings of byte symbols that include all 256 bytes, or a merge does
            not join two tokens into a third.
    """

    kind = "subwords"

    def __init__(self, tokens: list[str], merges: list[tuple[str, str]], placeholders: bool = False) -> None:
        from tokenizers import models

        check(tokens, [])
        symbols = byte_symbols()
        known = set(tokens)
        if not known.issuperset(symbols):
            raise ValueError("a byte is missing among the tokens")
        if not set("".join(tokens)).issubset(symbols):
            raise ValueError("a token holds a character that is no symbol of a byte")
        if any(not known.issuperset((left, right, left + right)) for left, right in merges):
            raise ValueError("a merge does not join two tokens into a third")
        self.tokens, self.merges, self.placeholders = tokens, merges, placeholders
        self._bytes = [bytes(symbols[symbol] for symbol in token) for token in tokens]
        self._model = _new_tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges), placeholders)

    def chunks(self, blocks: Iterable[str]) -> Iterator[Chunk]:
        for lines in pieces(map(_valid, blocks), LINES):
            encodings = self._model.encode_batch_fast(lines, add_special_tokens=False)
            yield Chunk(np.concatenate([np.array(encoding.ids, np.uint32) for encoding in encodings]), 0)

    def stream(self, ids: Iterable[int]) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        for i in ids:
            yield decoder.decode(self._bytes[i])
        yield decoder.decode(b"", final=True)

    def state_dict(self) -> dict[str, Any]:
        return {"merges": self.merges} | ({"placeholders": True} if self.placeholders else {})

    def alphabet(self) -> frozenset[str]:
        """The characters of ASCII, and all characters whose bytes are in one token."""
        held = "".join(token.decode("utf-8", "ignore") for token in self._bytes)
        return frozenset(held) | frozenset(map(chr, range(128)))


def learn(blocks: Iterable[str], size: int) -> Subwords:
    """The tokenizer of the 256 bytes and the most frequent merges of a text, at most `size` tokens.

    A pair of tokens that occurs once is not merged.
    """
    return learn_pieces(pieces(blocks, LINES), size)


def learn_pieces(lists: Iterable[list[str]], size: int, placeholders: bool = False) -> Subwords:
    """As `learn`, from lists of strings; no token is merged across the end of a string.

    Args:
        placeholders: the strings have markers of placeholders.
    """
    import json

    from tokenizers import models, trainers

    model = _new_tokenizer(models.BPE(), placeholders)
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, show_progress=False, initial_alphabet=sorted(byte_symbols())
    )
    model.train_from_iterator(lists, trainer)
    learned = json.loads(model.to_str())["model"]
    merges = [(left, right) for left, right in learned["merges"]]
    return Subwords(sorted(learned["vocab"], key=learned["vocab"].__getitem__), merges, placeholders)


@cache
def byte_symbols() -> dict[str, int]:
    """The byte of each printable symbol, as in GPT-2."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + number): byte for number, byte in enumerate(others)}


def _new_tokenizer(model: Any, placeholders: bool) -> "tokenizers.Tokenizer":
    from tokenizers import Regex, Tokenizer, pre_tokenizers

    result = Tokenizer(model)
    result.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if placeholders:
        apart = pre_tokenizers.Split(Regex(f" ?[{MARKERS[0]}-{MARKERS[-1]}]"), "isolated")
        result.pre_tokenizer = pre_tokenizers.Sequence([apart, result.pre_tokenizer])
    return result


def _valid(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, which UTF-8 cannot encode."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
