"""Byte-pair encoding over bytes, by the `tokenizers` library: no text is unknown, and every text comes back exactly.

Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units"; over bytes, with one printable
symbol for each byte, as in GPT-2 (Radford et al. 2019). Each line is encoded by itself.
"""

import codecs
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from anamnesis.tokens.base import Chunk, Tokenizer, check
from anamnesis.tokens.text import LINES, pieces

if TYPE_CHECKING:
    import tokenizers


class Subwords(Tokenizer):
    """One id for each byte and each merge of two tokens.

    A literal "<s>" in a text is three bytes like any others: there are no special tokens. Where ids do not make up
    valid UTF-8, as a model may well generate, `decode` gives U+FFFD.

    Raises:
        ValueError: the tokens are not different strings of byte symbols with all 256 bytes among them, or a merge
            does not join two tokens into a third.
    """

    kind = "subwords"

    def __init__(self, tokens: list[str], merges: list[tuple[str, str]]) -> None:
        from tokenizers import models

        check(tokens, [])
        symbols = byte_symbols()
        known = set(tokens)
        if not known.issuperset(symbols):
            raise ValueError("a byte is missing among the tokens")
        if not set("".join(tokens)).issubset(symbols):
            raise ValueError("a token holds a character that stands for no byte")
        if any(not known.issuperset((left, right, left + right)) for left, right in merges):
            raise ValueError("a merge does not join two tokens into a third")
        self.tokens, self.merges = tokens, merges
        self._bytes = [bytes(symbols[symbol] for symbol in token) for token in tokens]
        self._model = _untrained(models.BPE({token: i for i, token in enumerate(tokens)}, merges))

    def chunks(self, blocks: Iterable[str]) -> Iterator[Chunk]:
        for lines in pieces(map(_valid, blocks), LINES):
            encodings = self._model.encode_batch_fast(lines, add_special_tokens=False)
            yield Chunk(np.concatenate([np.array(encoding.ids, np.uint32) for encoding in encodings]), 0)

    def stream(self, ids: Iterable[int]) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for i in ids:
            yield decoder.decode(self._bytes[i])
        yield decoder.decode(b"", final=True)

    def saved(self) -> dict[str, Any]:
        return {"merges": self.merges}


def learn(blocks: Iterable[str], size: int) -> Subwords:
    """The tokenizer of the 256 bytes and the most frequent merges of a text, `size` tokens together at most.

    A pair of tokens that occurs only once is not merged.
    """
    return learn_pieces(pieces(blocks, LINES), size)


def learn_pieces(lists: Iterable[list[str]], size: int) -> Subwords:
    """As `learn`, from lists of strings; no token is merged across the end of a string."""
    import json

    from tokenizers import models, trainers

    model = _untrained(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, show_progress=False, initial_alphabet=sorted(byte_symbols())
    )
    model.train_from_iterator(lists, trainer)
    learned = json.loads(model.to_str())["model"]
    merges = [(left, right) for left, right in learned["merges"]]
    return Subwords(sorted(learned["vocab"], key=learned["vocab"].__getitem__), merges)


@cache
def byte_symbols() -> dict[str, int]:
    """The printable character that stands for each byte, as in GPT-2, and the byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + number): byte for number, byte in enumerate(others)}


def _untrained(model: Any) -> "tokenizers.Tokenizer":
    from tokenizers import Tokenizer, pre_tokenizers

    result = Tokenizer(model)
    result.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return result


def _valid(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, which UTF-8 cannot say."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
