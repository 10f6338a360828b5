"""One language of a translation: its texts as the ids that a network reads or writes."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from anamnesis.data.text import placeholders
from anamnesis.data.text.cleaning import clean
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.data.tokenizers.subwords import Subwords

# Letters of a text in capitals alone; one with fewer, such as USB, is an abbreviation and stays as it is.
SHOUTED = 4


class Reading(NamedTuple):
    """A text as a network reads it.

    Attributes:
        ids: the end among them.
        parts: what its translation copies; the first marker stands for the first part, and so on.
        counts: how often the text has each part.
        capitals: the text is all in capitals; it is read in small letters, and its translation is put in capitals.
    """

    ids: list[int]
    parts: list[str]
    counts: list[int]
    capitals: bool


class Side:
    """A tokenizer with the two ids that a sentence needs around it.

    Words have `<s>` and `</s>` (the textbooks' [START] and [END]; `<unk>` is their [UNK]); subwords, which know no
    special tokens, get two ids behind their vocabulary, so that no text can hold them.

    Attributes:
        size: how many ids there are.
        start: stands before the first token that a decoder writes.
        end: the last token of every sentence.
        markers: the ids that are markers of placeholders, and which marker each is; empty where the tokenizer has none.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        size = tokenizer.vocabulary_size
        if tokenizer.start_id is not None and tokenizer.end_id is not None:
            self.start, self.end, self.size = tokenizer.start_id, tokenizer.end_id, size
        else:
            self.start, self.end, self.size = size, size + 1, size + 2
        self.markers: dict[int, int] = {}
        self._known: frozenset[str] | None = None
        if isinstance(tokenizer, Subwords) and tokenizer.placeholders:
            spelled = [tokenizer.decode([i]) for i in range(size)]
            numbers = {marker: number for number, marker in enumerate(placeholders.MARKERS)}
            self.markers = {i: numbers[text[-1]] for i, text in enumerate(spelled) if text and text[-1] in numbers}
            self._known = tokenizer.alphabet()

    def read(self, text: str) -> Reading:
        """A text as a network of this source language reads it.

        Where the tokenizer has markers, one stands in the place of each placeholder, and of each word and symbol with
        a character that no token holds, such as an emoji.
        """
        text = clean(text)
        if not self.markers:
            return Reading([*self.tokenizer.encode_document(text).ids.tolist(), self.end], [], [], False)
        parts = placeholders.copied(text, self._known)
        marked = placeholders.mark(text, parts)
        capitals = marked.isupper() and sum(map(str.isalpha, marked)) >= SHOUTED
        ids = self.tokenizer.encode_document(marked.capitalize() if capitals else marked).ids.tolist()
        counts = [marked.count(marker) for marker, _ in zip(placeholders.MARKERS, parts, strict=False)]
        return Reading([*ids, self.end], parts, counts, capitals)

    def encode(self, text: str) -> list[int]:
        """The ids of a sentence, the end among them."""
        return self.read(text).ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids without start and end, on one line."""
        return " ".join(self.tokenizer.decode(self._inside(ids)).split())

    def write(self, ids: Iterable[int], reading: Reading) -> str:
        """The translation of a text: `decode`, with the parts of the source in the place of their markers."""
        text = self.decode(ids)
        return placeholders.restore(text.upper() if reading.capitals else text, reading.parts)

    def spell(self, ids: Sequence[int], parts: Sequence[str] = ()) -> list[str]:
        """Each id as it can be shown; the end is `</s>`, a space at the beginning of a piece stays.

        Args:
            parts: what the markers stand for.
        """
        return ["</s>" if i == self.end else "<s>" if i == self.start else self._spell(i, parts) for i in ids]

    def _spell(self, i: int, parts: Sequence[str]) -> str:
        # A part of a character alone has no text.
        return placeholders.restore(self.tokenizer.decode([i]), parts) or "\ufffd"

    def _inside(self, ids: Iterable[int]) -> list[int]:
        return [i for i in ids if i != self.start and i != self.end]
