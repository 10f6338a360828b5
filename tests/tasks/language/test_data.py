"""Batches cover every token once and continue where they stopped; splits in the tokens of another tokenizer."""

from math import log

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from anamnesis.data.stores.store import open_split, read_stats, write
from anamnesis.data.tokenizers import tokenizer
from anamnesis.data.tokenizers.settings import Tokens
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language.evaluation import text_question
from anamnesis.tasks.language.model.ngram import NGramModel, count
from anamnesis.tasks.language.model.scores import score_split
from anamnesis.tasks.language.model.streams import IGNORED, StreamBatches, WindowBatches
from anamnesis.tasks.language.model.text import read_split
from anamnesis.tasks.language.settings import Streams, Windows


def test_each_stream_continues_where_its_last_segment_ended():
    segments = list(StreamBatches(np.arange(11, dtype=np.uint8), Streams(batch=2, steps=3), None))
    assert [starts for *_, starts in segments] == [True, False]
    assert segments[0][0].T.tolist() == [[0, 1, 2], [5, 6, 7]]
    assert segments[1][0].T.tolist() == [[3, 4], [8, 9]]
    assert segments[1][1].T.tolist() == [[4, 5], [9, 10]]


@given(
    tokens=st.integers(2, 300),
    batch=st.integers(1, 40),
    steps=st.integers(1, 60),
    warm_up=st.integers(0, 50),
    ranks=st.integers(1, 3),
)
def test_every_token_is_a_target_once_and_a_warm_up_reads_the_tokens_before(tokens, batch, steps, warm_up, ranks):
    batch, counted = min(batch, tokens - 1), []
    for rank in range(ranks):
        loader = StreamBatches(np.arange(tokens, dtype=np.uint16), Streams(batch=batch, steps=steps), None, warm_up)
        loader.shard(rank, ranks)
        segments = list(loader)
        assert len(segments) == len(loader)
        assert all(inputs.shape == targets.shape and len(inputs) <= steps for inputs, targets, _ in segments)
        inputs, targets = (torch.cat([segment[part] for segment in segments]).T.tolist() for part in (0, 1))
        assert len(inputs) == -(-batch // ranks)
        for read, wanted in zip(inputs, targets, strict=True):
            places = [place for place, target in enumerate(wanted) if target != IGNORED]
            counted += [wanted[place] for place in places]
            if places:
                first = places[0]
                assert read[: places[-1] + 1] == list(range(read[0], wanted[places[-1]]))
                assert first == min(warm_up, wanted[first] - 1)
    assert sorted(counted) == list(range(1, tokens))


def test_the_start_of_a_sentence_is_no_target():
    ids = np.array([0, 5, 6, 0, 7], dtype=np.uint8)
    ((_, targets, _),) = StreamBatches(ids, Streams(batch=1, steps=4), start_id=0)
    assert targets.flatten().tolist() == [5, 6, IGNORED, 7]
    with pytest.raises(AnamnesisError, match=r"batches\.batch: found 8 streams for 5 tokens; allowed: at most 4"):
        StreamBatches(ids, Streams(batch=8, steps=2), None)


def test_windows_slide_and_predict_the_next_token():
    ids = np.arange(11, dtype=np.uint8)
    ((inputs, targets, starts),) = WindowBatches(ids, Windows(kind="windows", batch=9, length=4, step=3), None, seed=0)
    windows = sorted(zip(inputs.T.tolist(), targets.flatten().tolist(), strict=True))
    assert windows == [([0, 1, 2, 3], 4), ([3, 4, 5, 6], 7), ([6, 7, 8, 9], 10)]
    assert starts


@pytest.mark.parametrize(("per_epoch", "count"), [(None, 32), (10, 10)])
def test_windows_are_drawn_anew_each_epoch(per_epoch, count):
    settings = Windows(kind="windows", batch=4, length=4, step=3, per_epoch=per_epoch)
    batches = WindowBatches(np.arange(100, dtype=np.uint8), settings, None, seed=3)
    first, second = ([start for inputs, *_ in batches for start in inputs[0].tolist()] for _ in range(2))
    assert len(first) == len(set(first)) == len(second) == count
    assert set(first) <= set(range(0, 96, 3))
    assert first != second


@pytest.fixture
def other(stores, tmp_path):
    """A store of characters with `þ`, unknown to the model, and `Ω`, unknown to both; and the model's tokenizer."""
    text = (stores / "test.txt").read_text(encoding="utf-8").replace("the ", "þe ")
    sources = {}
    for split, share in (("train", text[:2000]), ("valid", text[2000:3500]), ("test", text[3500:] + "Ω")):
        sources[split] = tmp_path / f"{split}.txt"
        sources[split].write_text(share, encoding="utf-8")
    write(tmp_path / "store", TypeAdapter(Tokens).validate_python({"corpus": "other", "kind": "characters"}), sources)
    return tmp_path / "store", tokenizer.load(stores / "data" / "tokens" / "characters" / "tokenizer.json")


@pytest.mark.parametrize("split", ["valid", "test"])
def test_ids_of_another_tokenizer_give_the_same_text(other, split):
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


def test_the_stores_own_tokenizer_gives_its_own_arrays(other):
    store, _ = other
    result = read_split(store, "valid", tokenizer.load(store / "tokenizer.json"))
    np.testing.assert_array_equal(result.ids, open_split(store, "valid"))
    assert result.counts == read_stats(store)["splits"]["valid"]


def test_tokens_that_leave_out_more_of_a_text_gain_nothing(tmp_path):
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
