"""Texts as ids: round trips, cleaning, and that no text holds a start or an end token."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anamnesis.data.stores.pairs import open_pairs, pair_texts
from anamnesis.data.text.cleaning import clean
from anamnesis.data.tokenizers import subwords, tokenizer, words
from anamnesis.tasks.translation.model.batches import pair_ids
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
