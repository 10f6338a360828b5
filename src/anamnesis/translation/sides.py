"""One language of a translation: its texts as the ids that a network reads or writes."""

from collections.abc import Iterable, Sequence

from anamnesis.tokens.base import Tokenizer
from anamnesis.tokens.cleaning import clean


class Side:
    """A tokenizer with the two ids that a sentence needs around it.

    Words have `<s>` and `</s>` (the textbooks' [START] and [END]; `<unk>` is their [UNK]); subwords, which know no
    special tokens, get two ids behind their vocabulary, so that no text can hold them.

    Attributes:
        size: how many ids there are.
        start: stands before the first token that a decoder writes.
        end: the last token of every sentence.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        size = tokenizer.vocabulary_size
        if tokenizer.start_id is not None and tokenizer.end_id is not None:
            self.start, self.end, self.size = tokenizer.start_id, tokenizer.end_id, size
        else:
            self.start, self.end, self.size = size, size + 1, size + 2

    def encode(self, text: str) -> list[int]:
        """The ids of a sentence, the end among them."""
        return [*self.tokenizer.encode_document(clean(text)).ids.tolist(), self.end]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids without start and end, on one line."""
        return " ".join(self.tokenizer.decode(self._inside(ids)).split())

    def spell(self, ids: Sequence[int]) -> list[str]:
        """Each id as it can be shown; the end is `</s>`, a space at the beginning of a piece stays."""
        return ["</s>" if i == self.end else "<s>" if i == self.start else self.tokenizer.decode([i]) for i in ids]

    def _inside(self, ids: Iterable[int]) -> list[int]:
        return [i for i in ids if i != self.start and i != self.end]
