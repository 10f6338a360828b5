"""The baselines of translation: the source itself, and the translation of the nearest training sentence."""

from collections.abc import Callable, Sequence
from typing import Any

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation.model.translations import Translation

# Sentences in a batch: its similarities to 25,000 training sentences take 25 MB.
BATCH = 128
# Similarities are rounded to so many decimals, so that rounding errors do not decide between equally near sentences.
DECIMALS = 9
# Scripts without spaces between words: Thai, Lao, Tibetan, Burmese, Khmer, kana, Chinese characters.
UNSPACED = r"\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Words of one letter count, too, because short sentences have few words; in those scripts each letter is a word.
WORD = rf"[^\W{UNSPACED}]+|(?!\W)[{UNSPACED}]"


class CopyTranslator:
    """Gives each source back as its translation.

    Args:
        card: the model's card.
    """

    def __init__(self, card: dict[str, Any] | None = None) -> None:
        self.card = card or {}

    def translate(
        self, texts: list[str], beam: int, n_best: int = 1, progress: Callable[[int], object] = lambda count: None
    ) -> list[list[Translation]]:
        """Each text itself, whatever the beam."""
        progress(len(texts))
        return [[_translation(text)] for text in texts]


class NearestTranslator:
    """Gives the translation of the training sentence whose TF-IDF vector has the largest cosine with the source's.

    The terms are words in lower case, or the letters of scripts without spaces between words. A term's weight is its
    count times ln((1 + sentences) / (1 + sentences with the term)) + 1.

    Args:
        sources, targets: the training sentences and their translations.
        card: the model's card.

    Raises:
        AnamnesisError: there are not as many translations as sentences, or no sentence has a word.
    """

    def __init__(self, sources: Sequence[str], targets: Sequence[str], card: dict[str, Any] | None = None) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        if len(sources) != len(targets):
            raise AnamnesisError(f"nearest: found {len(sources)} training sources and {len(targets)} targets")
        self._vectorizer = TfidfVectorizer(token_pattern=WORD)
        try:
            self._sources = self._vectorizer.fit_transform(sources)
        except ValueError:
            raise AnamnesisError("nearest: no training sentence has a word") from None
        self._targets, self.card = list(targets), card or {}

    def translate(
        self, texts: list[str], beam: int, n_best: int = 1, progress: Callable[[int], object] = lambda count: None
    ) -> list[list[Translation]]:
        """One translation of each text, whatever the beam.

        Among equally near training sentences the first one counts. A text without a word of the training sentences is
        its own translation.
        """
        results = []
        for first in range(0, len(texts), BATCH):
            batch = texts[first : first + BATCH]
            similarities = self._vectorizer.transform(batch) @ self._sources.T
            similarities.data.round(DECIMALS, out=similarities.data)
            dense = similarities.toarray()
            for text, row, nearest in zip(batch, dense, dense.argmax(axis=1), strict=True):
                results.append([_translation(self._targets[nearest] if row[nearest] > 0 else text)])
            progress(len(batch))
        return results


def _translation(text: str) -> Translation:
    return Translation(text, None, text.split(), [])
