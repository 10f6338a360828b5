"""The floors under every translator: the source as it is, and the translation of the nearest training sentence."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation.translations import Translation

# Sentences compared at once: a chunk's similarities to 25,000 training sentences take 25 MB.
CHUNK = 128
# Decimals of a similarity that count, or the rounding of a sum could tell equally near sentences apart.
DECIMALS = 9
# Scripts without spaces between words: Thai, Lao, Tibetan, Burmese, Khmer, kana, Chinese characters.
UNSPACED = r"\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Words of one letter count, too: of a short sentence they may be half. Of those scripts a letter is a word.
WORD = rf"[^\W{UNSPACED}]+|(?!\W)[{UNSPACED}]"


class Copy:
    """Repeats the source."""

    def __init__(self, card: dict[str, Any] | None = None) -> None:
        self.card = card or {}

    def translate(self, texts: list[str], beam: int, n_best: int = 1) -> list[list[Translation]]:
        """Each text itself, whatever the beam."""
        return [[_unscored(text)] for text in texts]


class Nearest:
    """Gives the translation of the training sentence that is nearest by the cosine of TF-IDF vectors.

    The terms are words in lower case, or the letters of scripts without spaces between words, weighted by their count
    times ln((1 + sentences) / (1 + sentences with the word)) + 1.
    """

    def __init__(self, sources: Sequence[str], targets: Sequence[str], card: dict[str, Any] | None = None) -> None:
        """Read the training sentences and their translations.

        Raises:
            AnamnesisError: there are not as many translations as sentences, or no sentence has a word.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer

        if len(sources) != len(targets):
            raise AnamnesisError(f"nearest: found {len(sources)} training sources and {len(targets)} targets")
        self._vectorizer = TfidfVectorizer(token_pattern=WORD)
        try:
            self._sources = self._vectorizer.fit_transform(sources)
        except ValueError:
            raise AnamnesisError("nearest: no training sentence has a word") from None
        self._targets, self.card = list(targets), card or {}

    def translate(self, texts: list[str], beam: int, n_best: int = 1) -> list[list[Translation]]:
        """One translation of each text, whatever the beam.

        Of equally near training sentences the first counts. A text without a word of the training is given back.
        """
        return [
            [_unscored(text if place is None else self._targets[place])]
            for first in range(0, len(texts), CHUNK)
            for text, place in self._nearest(texts[first : first + CHUNK])
        ]

    def _nearest(self, texts: list[str]) -> list[tuple[str, int | None]]:
        """Each text with the place of its nearest training sentence."""
        similarities = self._vectorizer.transform(texts) @ self._sources.T
        similarities.data.round(DECIMALS, out=similarities.data)
        dense = similarities.toarray()
        places = np.where(dense.any(axis=1), dense.argmax(axis=1), -1)
        return [(text, place if place >= 0 else None) for text, place in zip(texts, places.tolist(), strict=True)]


def _unscored(text: str) -> Translation:
    return Translation(text, None, text.split())
