"""Sentence pairs as ids."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anamnesis.data.stores import store
from anamnesis.data.stores.store import open_pairs, pair_texts, read_stats
from anamnesis.data.tokenizers import subwords, tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.stages import tokenize as stage

Rows = list[tuple[str, str]]

TRAIN = [
    ('The cat ran: "Well run," said', 'De kat rende. "Goed gedaan", zei'),
    ("the dög <s> and </s> <unk>", "de hónd <s> en </s> <unk>"),
    ("now", "nu, en \U0001f642"),
    ("two lines\nand\ra tab\t", " de kat\n\nrende, zei de kat"),
]
VALID = [("The cat now", "De kat nu"), ("ü", "de ü kat")]
TEST = [("ran ran ran ran ran ran ran ran", "rende")]
SPLITS = {"train": TRAIN, "valid": VALID, "test": TEST}
KINDS = [
    {"kind": "word-pairs"},
    {"kind": "word-pairs", "lower": True, "minimum_count": 2, "limit": 6},
    {"kind": "subword-pairs", "size": 290},
    {"kind": "subword-pairs", "size": 290, "shared": False},
]
SUBWORDS = KINDS[2:]


@pytest.fixture
def make(write_tables):
    """A function that writes a token store of sentence pairs and returns its folder and its counts."""

    def _make(train: Rows = TRAIN, valid: Rows = VALID, test: Rows = TEST, **values: Any) -> Any:
        splits = {"train": train, "valid": valid, "test": test}
        tables = {split: [(*row, "x.mo") for row in rows] for split, rows in splits.items()}
        return write_tables(("source", "target", "origin"), tables, **values)

    return _make


def tokenizers(folder: Path) -> list[tokenizer.Tokenizer]:
    return [tokenizer.load(folder / f"{side}_tokenizer.json") for side in ("source", "target")]


@pytest.mark.parametrize("values", KINDS, ids=str)
def test_each_sentence_is_encoded_by_itself(make, values):
    folder, stats = make(**values)
    assert stats == read_stats(folder)
    assert stats["languages"] == ["en", "nl"]
    learned = tokenizers(folder)
    assert [stats["source_vocabulary_size"], stats["vocabulary_size"]] == [of.vocabulary_size for of in learned]
    assert stats["alphabet"] == len(set("".join(target for _, target in TRAIN)))
    for split, rows in SPLITS.items():
        pairs, counts = open_pairs(folder, split), stats["splits"][split]
        assert len(pairs) == len(pairs.source) == len(pairs.target) == counts["pairs"] == len(rows)
        assert pair_texts(folder, split) == ([source for source, _ in rows], [target for _, target in rows])
        unknown = []
        for index, (side, of) in enumerate(zip((pairs.source, pairs.target), learned, strict=True)):
            for number, row in enumerate(rows):
                # No id is <s> or </s>, even where the text says so.
                special = (of.start_id, of.end_id)
                assert side[number].tolist() == [i for i in of.encode_document(row[index]).ids if i not in special]
                if of.kind == "subwords":
                    assert of.decode(side[number].tolist()) == row[index]
            assert np.concatenate([side[number] for number in range(len(rows))]).tolist() == side.ids.tolist()
            assert side.offsets.dtype == np.int64
            unknown.append(0 if of.unknown_id is None else int(np.count_nonzero(side.ids == of.unknown_id)))
        assert (counts["source_tokens"], counts["tokens"]) == (len(pairs.source.ids), len(pairs.target.ids))
        assert counts["targets"] == len(pairs.target.ids) + len(rows)
        assert (counts["source_unknown_tokens"], counts["unknown_tokens"]) == (unknown[0], sum(unknown))
        assert counts["characters"] == sum(len(target) for _, target in rows)
        assert counts["left_out"] == 0
        if values["kind"] == "subword-pairs":
            assert counts["unknown_characters"] == 0
        raw = (folder.parent / f"{split}.csv").read_bytes()
        assert counts["text_sha256"] == hashlib.sha256(raw).hexdigest()
        for key, side in (("ids_sha256", "target"), ("source_ids_sha256", "source")):
            assert counts[key] == hashlib.sha256((folder / f"{split}.{side}.npy").read_bytes()).hexdigest()


def test_words_are_those_of_each_language(make):
    folder, stats = make(kind="word-pairs")
    source, target = tokenizers(folder)
    assert (source.language, target.language) == ("en", "nl")
    assert source.decode(open_pairs(folder, "train").source[0].tolist()) == TRAIN[0][0]
    assert stats["splits"]["valid"]["unknown_characters"] == 2


def test_shared_and_separate_vocabularies(make):
    rows = [("abab", "xyxy"), ("ab ab", "xy")] * 5
    both, stats = make(rows, rows, rows, kind="subword-pairs", size=300)
    assert (both / "source_tokenizer.json").read_bytes() == (both / "target_tokenizer.json").read_bytes()
    assert {"ab", "xy"} <= set(tokenizers(both)[0].tokens)
    assert stats["vocabulary_size"] == stats["source_vocabulary_size"]
    each, _ = make(rows, rows, rows, kind="subword-pairs", size=300, shared=False)
    source, target = (set(learned.tokens) for learned in tokenizers(each))
    assert "ab" in source - target
    assert "xy" in target - source
    # A pair of symbols that occurs twice only in both languages together: only the shared vocabulary learns it.
    rows = [("qz", "qz")]
    assert "qz" in tokenizers(make(rows, rows, rows, kind="subword-pairs", size=300)[0])[0].tokens
    alone = make(rows, rows, rows, kind="subword-pairs", size=300, shared=False)[0]
    assert not any("qz" in learned.tokens for learned in tokenizers(alone))


def test_longest_leaves_out_only_training_pairs_which_teach_nothing(make):
    train = [("a b", "x y"), ("a b c", "x"), ("a", "x y z"), ("b", "y")]
    long = [("a b c d", "x y z"), ("c", "z")]
    folder, stats = make(train, long, long, kind="word-pairs", longest=2)
    assert pair_texts(folder, "train") == (["a b", "b"], ["x y", "y"])
    assert [stats["splits"][split]["left_out"] for split in store.SPLITS] == [2, 0, 0]
    assert [len(open_pairs(folder, split)) for split in store.SPLITS] == [2, 2, 2]
    assert [learned.tokens[3:] for learned in tokenizers(folder)] == [["b", "a"], ["y", "x"]]
    assert open_pairs(folder, "valid").source[0].tolist() == [4, 3, 0, 0]
    assert stats["splits"]["valid"]["unknown_tokens"] == 5
    assert stats["splits"]["valid"]["source_unknown_tokens"] == 3
    assert stats["alphabet"] == 3  # x, y and the space; the pair with the z is left out


@pytest.mark.parametrize("values", SUBWORDS, ids=str)
def test_the_remaining_pairs_are_short_by_subwords_learned_from_them(make, values):
    # "mnop" is one token as long as the pairs are there that make it frequent; these are themselves too long.
    train = [("mnop " * 9, "stuv " * 9)] * 3 + [("mnop", "stuv"), ("mn op", "st uv"), ("ab", "cd")]
    folder, stats = make(train, VALID, TEST, longest=3, **values)
    kept = open_pairs(folder, "train")
    assert all(len(side[number]) <= 3 for side in (kept.source, kept.target) for number in range(len(kept)))
    texts = pair_texts(folder, "train")
    assert stats["splits"]["train"]["left_out"] == len(train) - len(texts[0])
    assert len(texts[0]) < len(train) - 3 + 1
    lists = [texts[0] + texts[1]] * 2 if values.get("shared", True) else texts
    for learned, sentences in zip(tokenizers(folder), lists, strict=True):
        again = subwords.learn_pieces([sentences], values["size"])
        assert (learned.tokens, learned.state_dict()) == (again.tokens, again.state_dict())


def test_the_stage_reads_training_twice_and_states_the_sizes(make, entry, tmp_path):
    make(kind="word-pairs")
    raw = tmp_path / "data" / "raw" / "small"
    raw.mkdir(parents=True)
    for split in store.SPLITS:
        (tmp_path / f"{split}.csv").rename(raw / f"{split}.csv")
    read: list[int] = []
    store.write(tmp_path / "again", entry(kind="word-pairs"), store.sources("small", tmp_path), read.append)
    sizes = {split: (raw / f"{split}.csv").stat().st_size for split in store.SPLITS}
    assert sum(read) == sum(sizes.values()) + sizes["train"]
    line = stage.tokenize("mine", entry(kind="word-pairs", longest=8), tmp_path)
    folder = tmp_path / "data" / "tokens" / "mine"
    splits = read_stats(folder)["splits"]
    tokens = " + ".join(str(splits[split]["tokens"]) for split in store.SPLITS)
    assert len(open_pairs(folder, "train")) == 2
    assert line.startswith(f"{tokens} target tokens of 5 word-pairs (2 longer training pairs left out), vocabulary ")
    everything = sum(counts["tokens"] + counts["source_tokens"] for counts in splits.values())
    unknown = sum(counts["unknown_tokens"] for counts in splits.values())
    assert line.endswith(f"{unknown / everything:.2%} unknown")


def test_sentences_that_do_not_fit_the_ids(make):
    folder, _ = make(kind="word-pairs")
    text = (folder / "train.csv").read_bytes()
    for data, problem in (
        (text + b'"more","meer"\n', "5 pairs, but ids of 4; make the store anew"),
        (b"a,b\n" + text, "found the columns a, b; allowed: source, target"),
        (text[:-3], "unexpected end of data"),
        (text + b"\xff", "not UTF-8"),
    ):
        (folder / "train.csv").write_bytes(data)
        with pytest.raises(AnamnesisError, match=f"train.csv: .*{problem}"):
            pair_texts(folder, "train")
    (folder / "train.csv").unlink()
    with pytest.raises(AnamnesisError, match=r"train.csv: no such file; make it first: dvc repro tokenize@store"):
        pair_texts(folder, "train")
