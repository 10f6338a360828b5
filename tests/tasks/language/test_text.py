"""Splits in the tokens of another tokenizer, and prices of the text that tokens leave out."""

from math import log
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from anamnesis.data.stores.store import open_split, read_stats, write
from anamnesis.data.tokenizers import tokenizer
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.data.tokenizers.settings import Tokens
from anamnesis.tasks.language.evaluation import text_question
from anamnesis.tasks.language.model.ngram import NGramModel, count
from anamnesis.tasks.language.model.scores import score_split
from anamnesis.tasks.language.model.text import read_split


@pytest.fixture
def other(stores: Path, tmp_path: Path) -> tuple[Path, Tokenizer]:
    """A store of characters with `þ`, unknown to the model, and `Ω`, unknown to both; and the model's tokenizer."""
    text = (stores / "test.txt").read_text(encoding="utf-8").replace("the ", "þe ")
    sources = {}
    for split, share in (("train", text[:2000]), ("valid", text[2000:3500]), ("test", text[3500:] + "Ω")):
        sources[split] = tmp_path / f"{split}.txt"
        sources[split].write_text(share, encoding="utf-8")
    write(tmp_path / "store", TypeAdapter(Tokens).validate_python({"corpus": "other", "kind": "characters"}), sources)
    return tmp_path / "store", tokenizer.load(stores / "data" / "tokens" / "characters" / "tokenizer.json")


@pytest.mark.parametrize("split", ["valid", "test"])
def test_ids_of_another_tokenizer_give_the_same_text(other: tuple[Path, Tokenizer], split: str) -> None:
    store, vocabulary = other
    text = (store.parent / f"{split}.txt").read_text(encoding="utf-8")
    result = read_split(store, split, vocabulary)
    # The store cannot restore a character that is unknown to its own tokenizer.
    unknown = set(text) - (set(vocabulary.tokens) & set(tokenizer.load(store / "tokenizer.json").tokens))
    assert {"þ"} | ({"Ω"} if split == "test" else set()) <= unknown
    assert vocabulary.decode(result.ids.tolist()) == "".join("\ufffd" if each in unknown else each for each in text)
    number = sum(map(text.count, unknown))
    assert (result.counts["unknown_characters"], result.counts["unknown_tokens"]) == (number, number)
    assert result.counts["characters"] == len(text)
    alphabet = set((store.parent / "train.txt").read_text(encoding="utf-8"))
    unseen = sum(character not in alphabet for character in text)
    assert result.price() == pytest.approx(number * log(len(alphabet) + 2) + unseen * log(0x110000))


def test_the_stores_own_tokenizer_gives_its_own_arrays(other: tuple[Path, Tokenizer]) -> None:
    store, _ = other
    result = read_split(store, "valid", tokenizer.load(store / "tokenizer.json"))
    np.testing.assert_array_equal(result.ids, open_split(store, "valid"))
    assert result.counts == read_stats(store)["splits"]["valid"]


def test_tokens_that_leave_out_more_of_a_text_gain_nothing(tmp_path: Path) -> None:
    """Words in random case with random marks: a model that does not read them pays one bit each."""
    random = np.random.default_rng(7)
    vocabulary = [f"w{number}" for number in range(20)]

    def text(words: int) -> str:
        choices = random.integers(0, (20, 2, 2), (words, 3))
        return "".join(
            (vocabulary[word].capitalize() if upper else vocabulary[word]) + ("," if mark else "") + " "
            for word, upper, mark in choices
        )

    paths = {split: tmp_path / f"{split}.txt" for split in ("train", "valid", "test")}
    for split, path in paths.items():
        path.write_text(text(20_000 if split == "train" else 3_000))
    bits, nats, questions = {}, {}, []
    for name, changes in {
        "words": {},
        "lower": {"lower": True},
        "delete": {"delete": ","},
        "both": {"lower": True, "delete": ","},
        "few": {"limit": 12},
        "characters": {"kind": "characters"},
    }.items():
        entry = TypeAdapter(Tokens).validate_python({"corpus": "random", "kind": "words", **changes})
        store = tmp_path / name
        stats = write(store, entry, paths)
        learned = tokenizer.load(store / "tokenizer.json")
        weights = count(open_split(store, "train"), 2, learned.vocabulary_size, learned.start_id)
        split = read_split(store, "test", learned)
        nats[name] = score_split(NGramModel({}, weights, learned, 2), split).nats
        bits[name] = split.bits_per_character(nats[name])
        questions.append(text_question(stats))
    assert all(question == questions[0] for question in questions)
    # log2(20) bits a word, one for its case, one for its mark.
    truth = (np.log2(20) + 2) * 3_000 / len(paths["test"].read_text())
    for name in ("words", "lower", "delete", "both"):
        assert bits[name] == pytest.approx(truth, rel=0.03)
    # Without the price, the tokens that leave out more would have the better scores.
    assert nats["both"] < 0.8 * nats["words"]
    assert nats["few"] < nats["words"]
    assert bits["few"] > 1.2 * bits["words"]
