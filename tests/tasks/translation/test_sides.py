"""Texts as a network's ids: round trips, what is cleaned away, and that no text holds a start or an end."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anamnesis.data.stores.store import open_pairs, pair_texts
from anamnesis.data.text.cleaning import clean
from anamnesis.data.tokenizers import subwords, tokenizer, words
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.tasks.translation.sides import Side

TEXTS = ["The cat sees a dog, and runs.", "De hónd eet. De hónd eet.", "<s> </s> <unk>"] * 2
LEARNED: dict[str, Tokenizer] = {"words": words.learn(TEXTS), "subwords": subwords.learn(TEXTS, 290)}


@pytest.fixture(params=LEARNED)
def side(request: pytest.FixtureRequest) -> Side:
    return Side(LEARNED[request.param])


def test_ids_of_a_network() -> None:
    of_words, of_subwords = (Side(LEARNED[kind]) for kind in ("words", "subwords"))
    assert (of_words.start, of_words.end, of_words.size) == (1, 2, len(LEARNED["words"].tokens))
    size = len(LEARNED["subwords"].tokens)
    assert (of_subwords.start, of_subwords.end, of_subwords.size) == (size, size + 1, size + 2)


@pytest.mark.parametrize("text", ["The cat runs.", "De hónd eet, and a dog runs.", "cat"])
def test_a_sentence_comes_back(side: Side, text: str) -> None:
    ids = side.encode(text)
    assert ids[-1] == side.end
    assert side.decode(ids) == side.decode(ids[:-1]) == side.decode([side.start, *ids]) == text


@pytest.mark.parametrize(
    "text",
    [
        " \tThe  cat\nruns.\r\n",
        "The\x00 c\x1bat ru\x7fns.",
        "The c\u00adat\u200b runs\ufeff.",
        "\u202eThe cat\u00a0runs.\u2028",
    ],
)
def test_what_nobody_sees_is_read_as_if_it_were_not_there(side: Side, text: str) -> None:
    assert side.encode(text) == side.encode("The cat runs.")


def test_letters_are_composed_also_around_what_is_left_out(side: Side) -> None:
    assert side.encode("ho\u0301nd") == side.encode("ho\u200b\u0301nd") == side.encode("hónd")
    assert side.decode(side.encode("ho\u0301nd")) == "hónd"


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u00ad", "\x00\u200b "])
def test_nothing_is_the_end_alone(side: Side, text: str) -> None:
    assert side.encode(text) == [side.end]
    assert side.decode(side.encode(text)) == ""


def test_a_text_that_names_them_holds_neither_start_nor_end(side: Side) -> None:
    for text in ("</s>", "<s>", "<s> The cat </s> runs", "</s></s>", "<unk>"):
        ids = side.encode(text)
        assert not {side.start, side.end} & set(ids[:-1])
        assert len(ids) > 1
    of_subwords = Side(LEARNED["subwords"])
    assert of_subwords.decode(of_subwords.encode("<s> a </s>")) == "<s> a </s>"


@given(st.text(alphabet=st.characters(), max_size=30))
def test_any_text_has_ids_and_one_end(text: str) -> None:
    for learned in LEARNED.values():
        side = Side(learned)
        *ids, end = side.encode(text)
        assert end == side.end
        assert all(0 <= i < learned.vocabulary_size and i not in (side.start, side.end) for i in ids)
        assert "\n" not in side.decode(ids)


@given(st.text(max_size=30))
def test_subwords_give_back_any_text_as_it_is_cleaned(text: str) -> None:
    side = Side(LEARNED["subwords"])
    assert side.decode(side.encode(text)) == clean(text)


def test_any_ids_have_a_text(side: Side) -> None:
    ids = list(range(side.size))
    assert side.decode(ids) == side.decode([i for i in ids if i not in (side.start, side.end)])
    assert len(side.spell(ids)) == side.size


def test_tokens_are_spelled_one_by_one(side: Side) -> None:
    ids = side.encode("The cat runs.")
    spelled = side.spell([side.start, *ids])
    assert spelled[0] == "<s>"
    assert spelled[-1] == "</s>"
    assert len(spelled) == len(ids) + 1
    inside = spelled[1:-1]
    if side.tokenizer.kind == "words":
        assert inside == ["The", "cat", "runs", "."]
        assert side.spell(side.encode("The zebra"))[1] == "<unk>"
    else:
        assert "".join(inside) == "The cat runs."


@pytest.mark.parametrize("name", ["words", "subwords", "separate"])
def test_a_text_is_read_as_its_store_has_it(stores: Path, name: str) -> None:
    store = stores / "data" / "tokens" / name
    for split in ("train", "valid", "test"):
        pairs = open_pairs(store, split)
        for which, held, texts in zip(
            ("source", "target"), (pairs.source, pairs.target), pair_texts(store, split), strict=True
        ):
            side = Side(tokenizer.load(store / f"{which}_tokenizer.json"))
            assert [side.encode(text)[:-1] for text in texts] == [held[number].tolist() for number in range(len(pairs))]
