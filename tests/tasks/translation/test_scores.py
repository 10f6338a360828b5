"""BLEU and chrF against their definitions."""

import math
import random
from collections import Counter

import pytest

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation.evaluation.scores import BINS, bleu_by_length, corpus_scores, sentence_chrf

LANGUAGES = ("en", "nl")
WORDS = ["de", "hond", "en", "een", "kat", "zien", "het", "huis", "van", "boven", "af"]


def corpus(seed: int, sentences: int) -> tuple[list[str], list[str], list[str]]:
    """Sources of 1 to 40 words, translations that share most words with the references, and these."""
    chance = random.Random(seed)
    sources, translations, references = [], [], []
    for _ in range(sentences):
        reference = chance.choices(WORDS, k=chance.randint(1, 40))
        translations.append(" ".join(word if chance.random() < 0.8 else chance.choice(WORDS) for word in reference))
        references.append(" ".join(reference + chance.choices(WORDS, k=chance.randint(0, 3))))
        sources.append(" ".join(chance.choices(WORDS, k=chance.randint(1, 40))))
    return sources, translations, references


def bleu(translations: list[str], references: list[str]) -> float:
    """Papineni et al. 2002, equations of section 2.3, of texts whose tokens are the words between blanks."""
    precisions = []
    for n in range(1, 5):
        matched = total = 0
        for translation, reference in zip(translations, references, strict=True):
            found, wanted = (
                Counter(zip(*(text.split()[shift:] for shift in range(n)), strict=False))
                for text in (translation, reference)
            )
            matched += sum(min(count, wanted[gram]) for gram, count in found.items())
            total += sum(found.values())
        precisions.append(matched / total)
    length, wished = (sum(len(text.split()) for text in texts) for texts in (translations, references))
    penalty = 1.0 if length > wished else math.exp(1 - wished / length)
    return 100 * penalty * math.exp(sum(map(math.log, precisions)) / 4)


@pytest.mark.parametrize("seed", range(3))
def test_bleu_is_the_definition(seed):
    _, translations, references = corpus(seed, 30)
    short, long = corpus_scores(translations, references, "nl"), corpus_scores(references, translations, "nl")
    # The second has no brevity penalty.
    assert short.length_ratio < 1 < long.length_ratio
    assert short.bleu == pytest.approx(bleu(translations, references), rel=1e-5)
    assert long.bleu == pytest.approx(bleu(references, translations), rel=1e-5)


def test_chrf_by_hand():
    # Orders 1 and 2 occur on both sides: precisions 1 and 1, recalls 2/3 and 1/2, whose means make the F of beta 2.
    recall = (2 / 3 + 1 / 2) / 2
    expected = float(f"{100 * 5 * recall / (4 + recall):.6g}")
    assert sentence_chrf(["ab", "xyz"], ["abc", "abc"]) == [expected, 0.0]
    assert corpus_scores(["ab"], ["abc"], "nl").chrf == expected


def test_bins_hold_every_sentence_once():
    sources, translations, references = corpus(2, 300)
    bins = bleu_by_length(sources, translations, references, LANGUAGES)
    assert [(one.low, one.high) for one in bins] == list(BINS)
    assert sum(one.sentences for one in bins) == 300
    for low, high, sentences, score in bins:
        inside = [i for i, text in enumerate(sources) if low <= len(text.split()) <= (high or math.inf)]
        assert sentences == len(inside)
        expected = bleu([translations[i] for i in inside], [references[i] for i in inside])
        assert score == pytest.approx(expected, rel=1e-5)


def test_the_edges_of_bins():
    lengths = [0, 1, 3, 4, 6, 7, 10, 11, 15, 16, 25, 26, 10_000]
    sources = [" ".join(["a"] * length) for length in lengths]
    texts = ["een twee drie vier"] * len(lengths)
    assert [one.sentences for one in bleu_by_length(sources, texts, texts, LANGUAGES)] == [3, 2, 2, 2, 2, 2]
    found = bleu_by_length(["a b c d"], ["x"], ["y"], LANGUAGES)
    assert [one.bleu for one in found] == [None, 0.0, None, None, None, None]


@pytest.mark.parametrize(
    ("language", "tokenizer", "translation", "reference"),
    [
        ("zh", "zh", "我们今天去北京看长城", "我们明天去北京看长城"),
        ("ja", "char", "私は昨日東京に行きました", "私は今日東京に行きました"),
        ("th", "char", "ฉันรักภาษาไทย", "ฉันรักเมืองไทย"),
        ("de", "13a", "heute gehe ich gern nach Hause", "morgen gehe ich gern nach Hause"),
    ],
)
def test_bleu_counts_what_the_target_language_writes(language, tokenizer, translation, reference):
    found = corpus_scores([translation], [reference], language)
    spaced = [[text if tokenizer == "13a" else " ".join(text.replace(" ", ""))] for text in (translation, reference)]
    assert found.bleu == pytest.approx(bleu(*spaced), rel=1e-5)
    assert found.bleu > 20
    assert f"|tok:{tokenizer}|" in found.signatures["bleu"]
    [first, *_] = bleu_by_length(["a b"], [translation], [reference], ("en", language))
    assert (first.sentences, first.bleu) == (1, found.bleu)


def test_a_source_without_spaces_is_as_long_as_its_characters():
    sources = ["北京", "我们 今天去北京", "我" * 12]
    assert [one.sentences for one in bleu_by_length(sources, sources, sources, ("zh", "zh"))] == [1, 0, 1, 1, 0, 0]
    assert [one.sentences for one in bleu_by_length(sources, sources, sources, ("en", "zh"))] == [3, 0, 0, 0, 0, 0]


def test_unequal_or_empty_lists_are_refused():
    with pytest.raises(AnamnesisError, match=r"^scores: found 2 translations, 1 references; allowed: as many of each$"):
        corpus_scores(["a", "b"], ["a"], "nl")
    with pytest.raises(AnamnesisError, match=r"^scores: found no translations; allowed: one sentence or more$"):
        sentence_chrf([], [])
