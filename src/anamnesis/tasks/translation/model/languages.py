"""One language of a translation: its texts as the ids that a network reads or writes."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from anamnesis.data.text import placeholders
from anamnesis.data.text.cleaning import clean
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.data.tokenizers.subwords import Subwords

# A text in capitals with fewer letters, such as USB, is an abbreviation: it stays in capitals.
FEWEST_CAPITALS = 4
# Files of a token store and of a model: the tokenizers, and the training pairs that the baseline `nearest` searches.
TOKENIZERS = ("source_tokenizer.json", "target_tokenizer.json")
PAIRS = "train.csv"


class EncodedText(NamedTuple):
    """A text as a network reads it.

    Attributes:
        ids: the tokens, the end token last.
        copies: the strings that its translation copies; in `ids`, the first marker stands for the first one, and so on.
        counts: how often the text has each string of `copies`.
        capitals: whether the text is all in capitals. Then `ids` are those of the text in small letters, and its
            translation is put in capitals.
    """

    ids: list[int]
    copies: list[str]
    counts: list[int]
    capitals: bool


class Language:
    """A tokenizer with a start token and an end token.

    A tokenizer of words has `<s>` and `</s>` (the textbooks' [START] and [END]; `<unk>` is their [UNK]). A tokenizer of
    subwords has no special tokens: the two ids after its vocabulary are start and end, so that no text can hold them.

    Attributes:
        tokenizer: the tokenizer.
        size: number of ids.
        start: the decoder's first input.
        end: the last token of every sentence.
        markers: the number of the marker, by the id of each token that ends in one; empty where the tokenizer has no
            markers of placeholders.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        size = tokenizer.vocabulary_size
        if tokenizer.start_id is not None and tokenizer.end_id is not None:
            self.start, self.end, self.size = tokenizer.start_id, tokenizer.end_id, size
        else:
            self.start, self.end, self.size = size, size + 1, size + 2
        self.markers: dict[int, int] = {}
        self._alphabet: frozenset[str] | None = None
        if isinstance(tokenizer, Subwords) and tokenizer.placeholders:
            texts = [tokenizer.decode([i]) for i in range(size)]
            numbers = {marker: number for number, marker in enumerate(placeholders.MARKERS)}
            self.markers = {i: numbers[text[-1]] for i, text in enumerate(texts) if text and text[-1] in numbers}
            self._alphabet = tokenizer.alphabet()

    def encode(self, text: str) -> EncodedText:
        """The text as a network reads it.

        Where the tokenizer has markers, a marker replaces each placeholder, and each word and symbol with a character
        that no token holds, such as an emoji.
        """
        text = clean(text)
        if not self.markers:
            return EncodedText([*self.tokenizer.encode_document(text).ids.tolist(), self.end], [], [], False)
        copies = placeholders.find_copied(text, self._alphabet)
        marked = placeholders.mark(text, copies)
        capitals = marked.isupper() and sum(map(str.isalpha, marked)) >= FEWEST_CAPITALS
        ids = self.tokenizer.encode_document(marked.capitalize() if capitals else marked).ids.tolist()
        counts = [marked.count(marker) for marker, _ in zip(placeholders.MARKERS, copies, strict=False)]
        return EncodedText([*ids, self.end], copies, counts, capitals)

    def decode(self, ids: Iterable[int], source: EncodedText | None = None) -> str:
        """The text of ids on one line, without start and end tokens.

        Args:
            ids: tokens of this language.
            source: the text that `ids` translate; its strings replace the markers.
        """
        inside = [i for i in ids if i not in (self.start, self.end)]
        text = " ".join(self.tokenizer.decode(inside).split())
        if source is None:
            return text
        return placeholders.restore(text.upper() if source.capitals else text, source.copies)

    def display(self, ids: Sequence[int], copies: Sequence[str] = ()) -> list[str]:
        """The text of each token; a space at the beginning of a subword stays.

        Args:
            ids: tokens of this language.
            copies: the strings that the markers stand for.
        """
        names = {self.start: "<s>", self.end: "</s>"}
        # A token that is a part of a character has no text.
        return [names.get(i) or placeholders.restore(self.tokenizer.decode([i]), copies) or "\ufffd" for i in ids]
