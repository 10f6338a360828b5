"""The floors: the source as it is, and the translation of the training sentence with the largest cosine."""

import math
import random
from collections import Counter

import pytest

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation.model.baselines import CHUNK, Copy, Nearest
from anamnesis.tasks.translation.translations import Translation

WORDS = [first + second for first in "abcdefgh" for second in "xyz"] + list("pqrs")


def texts_of(translations: list[list[Translation]]) -> list[str]:
    for [found] in translations:
        assert found.score is None
        assert found.attention is None
        assert found.tokens == found.text.split()
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


def test_copy_gives_the_source() -> None:
    texts = ["One  two.", "", "a\tb"]
    assert texts_of(Copy().translate(texts, 5, 3)) == texts
    assert Copy().translate([], 1) == []


def test_nearest_has_the_largest_cosine() -> None:
    chance = random.Random(0)
    sources = [" ".join(chance.choices(WORDS, k=chance.randint(1, 12))) for _ in range(200)]
    # More than one chunk, the last of them not full.
    texts = [" ".join(chance.choices([*WORDS, "unknown"], k=chance.randint(1, 12))) for _ in range(2 * CHUNK + 9)]
    found = texts_of(Nearest(sources, [str(place) for place in range(200)]).translate(texts, 1))
    differ = 0
    for text, place in zip(texts, found, strict=True):
        near = [round(value, 9) for value in cosines(text, sources)]
        if max(near) == 0:
            assert place == text
        else:
            assert int(place) == near.index(max(near))
            differ += max(near) < 0.9
    assert differ > 100


def test_ties_go_to_the_first() -> None:
    floor = Nearest(["c d", "a b", "b a", "a b", "f", "e"], list("012345"))
    assert texts_of(floor.translate(["b a", "a", "A B", "e f"], 1)) == ["1", "1", "1", "4"]


def test_a_text_without_a_known_word_is_given_back() -> None:
    floor = Nearest(["a dog", "the house"], ["een hond", "het huis"])
    assert texts_of(floor.translate(["cats fly", "", "?!", "\x00", "houses house"], 1)) == [
        "cats fly",
        "",
        "?!",
        "\x00",
        "het huis",
    ]
    assert floor.translate([], 1) == []


def test_case_and_punctuation_do_not_count() -> None:
    floor = Nearest(["Open the door!", "a door"], ["Open de deur!", "een deur"])
    assert texts_of(floor.translate(["OPEN, the 'door'?", "A"], 5, 5)) == ["Open de deur!", "een deur"]


@pytest.mark.parametrize(
    ("sources", "targets", "said"),
    [
        (["a", "b"], ["x"], "nearest: found 2 training sources and 1 targets"),
        ([], [], "nearest: no training sentence has a word"),
        (["?", "!"], ["x", "y"], "nearest: no training sentence has a word"),
    ],
)
def test_training_sentences_that_are_none_are_refused(sources: list[str], targets: list[str], said: str) -> None:
    with pytest.raises(AnamnesisError) as error:
        Nearest(sources, targets)
    assert str(error.value) == said


def test_letters_are_the_words_of_a_script_without_spaces() -> None:
    sources = ["我们明天去上海", "ฉันรักเมืองไทย", "打开 file 吗?", "Save the file"]
    nearest = Nearest(sources, ["a", "b", "c", "d"])
    asked = ["今天我们去北京", "เมืองไทย", "打开文件吗?", "the file"]
    assert [best[0].text for best in nearest.translate(asked, 1)] == ["a", "b", "c", "d"]
