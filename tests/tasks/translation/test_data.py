"""Texts as ids, and batches of pairs: each pair once an epoch, little padding, orders that repeat."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anamnesis.data.stores.pairs import open_pairs, pair_texts
from anamnesis.data.text.cleaning import clean
from anamnesis.data.tokenizers import subwords, tokenizer, words
from anamnesis.tasks.translation.model.batches import PairBatches, collate, pair_ids
from anamnesis.tasks.translation.model.languages import Language

from .conftest import write_store

TEXTS = ["The cat sees a dog, and runs.", "De hónd eet. De hónd eet.", "<s> </s> <unk>"] * 2
LEARNED = {"words": words.learn(TEXTS), "subwords": subwords.learn(TEXTS, 290)}


@pytest.fixture(params=LEARNED)
def language(request):
    return Language(LEARNED[request.param])


def test_start_and_end_are_special_words_or_new_ids():
    of_words, of_subwords = (Language(LEARNED[kind]) for kind in ("words", "subwords"))
    assert (of_words.start, of_words.end, of_words.size) == (1, 2, len(LEARNED["words"].tokens))
    size = len(LEARNED["subwords"].tokens)
    assert (of_subwords.start, of_subwords.end, of_subwords.size) == (size, size + 1, size + 2)


@pytest.mark.parametrize("text", ["De hónd eet, and a dog runs.", ""])
def test_decode_is_the_inverse_of_encode(language, text):
    ids = language.encode(text).ids
    assert ids[-1] == language.end
    assert language.decode(ids) == language.decode(ids[:-1]) == language.decode([language.start, *ids]) == text


@example("</s>")
@example("<s> The cat </s> runs")
@given(st.text(alphabet=st.characters(), max_size=30))
def test_any_text_has_ids_and_one_end(text):
    for learned in LEARNED.values():
        language = Language(learned)
        *ids, end = language.encode(text).ids
        assert end == language.end
        assert all(0 <= i < learned.vocabulary_size and i not in (language.start, language.end) for i in ids)


@given(st.text(max_size=30))
def test_subwords_keep_any_text_as_it_is_cleaned(text):
    language = Language(LEARNED["subwords"])
    assert language.decode(language.encode(text).ids) == clean(text)


def test_display_has_a_text_for_every_token(language):
    shown = language.display([language.start, *language.encode("The cat runs.").ids])
    assert (shown[0], shown[-1]) == ("<s>", "</s>")
    assert "".join(shown[1:-1]).replace(" ", "") == "Thecatruns."
    assert all(language.display(range(language.size)))


@pytest.mark.parametrize(
    "entry",
    [{"kind": "word-pairs"}, *({"kind": "subword-pairs", "size": 280, "shared": shared} for shared in (True, False))],
)
def test_a_text_has_the_ids_of_its_store(tmp_path, entry):
    store = write_store(tmp_path, "pairs", list(itertools.product(TEXTS[:3], TEXTS[1:3])), **entry)
    source, target = (Language(tokenizer.load(store / f"{side}_tokenizer.json")) for side in ("source", "target"))
    pairs = open_pairs(store, "test")
    for language, stored, texts, ids in zip(
        (source, target), (pairs.source, pairs.target), pair_texts(store, "test"),
        pair_ids(store, "test", source, target), strict=True,
    ):  # fmt: skip
        expected = [[*stored[number], language.end] for number in range(len(pairs))]
        assert [language.encode(text).ids for text in texts] == [each.tolist() for each in ids] == expected


START, END = 1, 2


def pairs(number, seed=0):
    """Sentences with the lengths of program messages and their translations; the first id of a pair is its number."""
    chance = np.random.default_rng(seed)
    lengths = np.clip(np.exp(chance.normal(1.9, 0.8, number)).round(), 2, 60).astype(int)
    others = np.clip((lengths * np.exp(chance.normal(0.01, 0.24, number))).round(), 2, 70).astype(int)
    return tuple(
        [
            np.array([3 + pair, *chance.integers(3, 3 + number, length - 1), END])
            for pair, length in enumerate(some.tolist())
        ]
        for some in (lengths, others)
    )


def numbers(batch):
    """The numbers of the pairs in a batch of `pairs`, in their order."""
    return tuple((batch.source[0] - 3).tolist())


def epoch(batches):
    return [numbers(batch) for batch in batches]


def test_collate_equals_a_loop():
    sources = [np.array(ids) for ids in ([4, 5, END], [6, END], [END], [7, 8, 9, END])]
    targets = [np.array(ids) for ids in ([5, END], [9, 8, 7, END], [6, 6, END], [END])]
    batch = collate(sources, targets, START)
    assert batch.lengths.tolist() == [3, 2, 1, 4]
    assert batch.source.shape == batch.inputs.shape == (4, 4)
    for column, source in enumerate(sources):
        assert batch.source[:, column].tolist() == [*source, *[END] * (4 - len(source))]
    places, expected = [], []
    for time in range(4):
        for column, target in enumerate(targets):
            if time < len(target):
                places.append(time * len(targets) + column)
                expected.append(target[time])
                assert batch.inputs[time, column] == (START if time == 0 else target[time - 1])
    assert batch.places.tolist() == places
    assert batch.targets.tolist() == expected


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("tokens", [1, 60, 10**6])
def test_an_epoch_has_every_pair_once(seed, tokens):
    sources, targets = pairs(300)
    batches = PairBatches(sources, targets, START, tokens, seed)
    for _ in range(2):
        found = list(batches)
        assert len(found) == len(batches)
        assert sorted(number for batch in found for number in numbers(batch)) == list(range(300))
        for batch in found:
            again = collate([sources[i] for i in numbers(batch)], [targets[i] for i in numbers(batch)], START)
            assert all(np.array_equal(part, other) for part, other in zip(batch, again, strict=True))
            assert batch.inputs.numel() <= tokens or batch.inputs.shape[1] == 1


def test_epochs_differ_in_their_batches_and_repeat_for_a_seed():
    sources, targets = pairs(300)
    first, again, other = (
        [epoch(batches) for _ in range(3)]
        for batches in (PairBatches(sources, targets, START, 100, seed) for seed in (3, 3, 4))
    )
    assert first == again
    assert len({frozenset(map(frozenset, order)) for order in (*first, *other)}) == 6


def test_there_is_little_padding():
    sources, targets = pairs(20_000)
    batches = list(PairBatches(sources, targets, START, 600, 1))
    source_places, target_places = (
        sum(part.numel() for part in parts)
        for parts in zip(*((batch.source, batch.inputs) for batch in batches), strict=True)
    )
    assert sum(map(len, targets)) / target_places > 0.98
    assert sum(map(len, sources)) / source_places > 0.85
    assert len(batches) < 1.1 * target_places / 600
