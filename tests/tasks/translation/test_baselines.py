"""The baselines: the source itself, and the translation of the training sentence with the largest cosine."""

import math
import random
from collections import Counter

import pytest

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation.model.baselines import BATCH, CopyTranslator, NearestTranslator
from anamnesis.tasks.translation.model.translations import Translation

WORDS = [first + second for first in "abcdefgh" for second in "xyz"] + list("pqrs")


def texts_of(translations: list[list[Translation]]) -> list[str]:
    assert all(found == Translation(found.text, None, found.text.split(), []) for [found] in translations)
    return [found.text for [found] in translations]


def cosines(text: str, sources: list[str]) -> list[float]:
    """Cosine of the TF-IDF vectors of a text and of each source, over words of the sources, with dictionaries."""
    documents = [Counter(source.lower().split()) for source in sources]
    weights = {
        word: math.log((1 + len(sources)) / (1 + sum(word in document for document in documents))) + 1
        for word in set().union(*documents)
    }

    def vector(counts: Counter[str]) -> dict[str, float]:
        found = {word: count * weights[word] for word, count in counts.items() if word in weights}
        norm = math.hypot(*found.values())
        return {word: value / norm for word, value in found.items()}

    query = vector(Counter(text.lower().split()))
    return [sum(query.get(word, 0.0) * value for word, value in vector(one).items()) for one in documents]


def test_nearest_has_the_largest_cosine():
    chance = random.Random(0)
    sources = [" ".join(chance.choices(WORDS, k=chance.randint(1, 12))) for _ in range(200)]
    texts = [" ".join(chance.choices([*WORDS, "unknown"], k=chance.randint(1, 12))) for _ in range(BATCH + 9)]
    counts: list[int] = []
    nearest = NearestTranslator(sources, [str(place) for place in range(200)])
    found = texts_of(nearest.translate(texts, 1, progress=counts.append))
    assert counts == [BATCH, 9]
    for text, place in zip(texts, found, strict=True):
        near = [round(value, 9) for value in cosines(text, sources)]
        assert place == (str(near.index(max(near))) if max(near) else text)


def test_a_text_without_a_known_word_and_every_text_of_copy_is_its_translation():
    nearest = NearestTranslator(["A dog!", "the house"], ["een hond", "het huis"])
    texts = ["cats  fly", "", "?!", "\tx", "houses HOUSE"]
    assert texts_of(nearest.translate(texts, 1)) == [*texts[:4], "het huis"]
    assert texts_of(CopyTranslator().translate(texts, 5, 3)) == texts


def test_letters_are_the_words_of_a_script_without_spaces():
    nearest = NearestTranslator(["我们明天去上海", "ฉันรักเมืองไทย", "打开 file 吗?", "Save the file"], list("abcd"))
    assert texts_of(nearest.translate(["今天我们去北京", "เมืองไทย", "打开文件吗?", "the file"], 1)) == list("abcd")


@pytest.mark.parametrize(
    ("sources", "targets", "said"),
    [
        (["a", "b"], ["x"], "nearest: found 2 training sources and 1 targets"),
        (["?", "!"], ["x", "y"], "nearest: no training sentence has a word"),
    ],
)
def test_unusable_training_sentences_are_refused(sources, targets, said):
    with pytest.raises(AnamnesisError, match=f"^{said}$"):
        NearestTranslator(sources, targets)
