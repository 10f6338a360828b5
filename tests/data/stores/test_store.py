"""Token stores of texts: ids, counts, types of arrays, and the memory that writing one takes."""

import hashlib
import io
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from anamnesis.data.stores import store, texts
from anamnesis.data.tokenizers import tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.stages import tokenize as stage

KINDS = [{"kind": "characters"}, {"kind": "bigrams"}, {"kind": "words", "limit": 9}, {"kind": "subwords", "size": 270}]
TEXT = "The cat sat. The dög sat!\r\nA 🙂 cat\n\f\nThe end\n" * 5


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("values", KINDS, ids=lambda values: values["kind"])
def test_the_store_holds_the_ids_of_the_text(build, values):
    valid = "The dog ate ü. The end\n\f\n"
    folder, stats = build(TEXT, valid, "cat", **values)
    learned = tokenizer.load(folder / "tokenizer.json")
    assert stats == store.read_stats(folder)
    assert stats["vocabulary_size"] == learned.vocabulary_size
    assert stats["alphabet"] == len(set(TEXT))
    assert stats["kind"] == values["kind"]
    for split, text in (("train", TEXT), ("valid", valid), ("test", "cat")):
        ids = store.open_split(folder, split)
        encoded = learned.encode(text).tolist() + ([learned.end_id] if learned.end_id else [])
        assert ids.tolist() == encoded
        counts = stats["splits"][split]
        targets = [i for i in encoded[1:] if i != learned.start_id]
        assert counts["tokens"] == len(encoded)
        assert counts["targets"] == len(targets)
        assert counts["characters"] == len(text)
        unknown = [i for i in encoded if i == learned.unknown_id and learned.unknown_id is not None]
        assert counts["unknown_tokens"] == len(unknown)
        assert counts["text_sha256"] == hashlib.sha256(text.encode()).hexdigest()
        assert counts["ids_sha256"] == hashlib.sha256((folder / f"{split}.npy").read_bytes()).hexdigest()
        saved = io.BytesIO()
        np.save(saved, np.array(ids))
        assert (folder / f"{split}.npy").read_bytes() == saved.getvalue()


@pytest.mark.parametrize("values", KINDS, ids=lambda values: values["kind"])
@pytest.mark.parametrize("block", [1, 7])
def test_the_block_size_changes_nothing(build, values, block):
    folder, _ = build(TEXT, **values)
    expected = content(folder)
    build(TEXT, block=block, **values)
    assert content(folder) == expected


def test_a_second_run_in_another_process_gives_the_same_bytes(build, tmp_path):
    entries = [{"corpus": "small", **values} for values in (*KINDS, {"kind": "words", "language": "zh"})]
    expected = [content(build(TEXT, **values)[0]) for values in entries]
    code = (
        "import sys; from pathlib import Path; from pydantic import TypeAdapter;"
        "from anamnesis.data.stores import store; from anamnesis.data.tokenizers import settings;"
        "root = Path(sys.argv[1]); sources = {split: root / f'{split}.txt' for split in store.SPLITS};"
        f"entries = map(TypeAdapter(settings.Tokens).validate_python, {entries!r});"
        "[store.write(root / f'again-{number}', entry, sources) for number, entry in enumerate(entries)]"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    for number, found in enumerate(expected):
        assert content(tmp_path / f"again-{number}") == found, entries[number]


@pytest.mark.parametrize(
    ("types", "dtype"), [(255, np.uint8), (256, np.uint8), (257, np.uint16), (65536, np.uint16), (65537, np.uint32)]
)
def test_the_smallest_unsigned_type(build, types, dtype):
    letters = [chr(i) for i in range(0x10000, 0x10000 + types - 1)]
    folder, stats = build("".join(letters))
    assert stats["vocabulary_size"] == types
    ids = store.open_split(folder, "train")
    assert ids.dtype == dtype
    assert isinstance(ids, np.memmap)
    assert sorted(ids.tolist()) == list(range(1, types))


@pytest.mark.parametrize("values", KINDS[:3], ids=lambda values: values["kind"])
def test_memory_does_not_grow_with_the_text(values, entry, tmp_path, monkeypatch):
    # Without line ends and sentence ends: the worst case for a reader that waits for one.
    sentence = "lorem ipsum dolor "
    (tmp_path / "small.txt").write_text(sentence * 15_000)
    (tmp_path / "large.txt").write_text(sentence * 45_000)
    monkeypatch.setattr(texts, "BLOCK", 1 << 16)
    peaks = []
    for name in ("small", "small", "large"):  # the first run does not count: it imports and compiles
        tracemalloc.start()
        store.write(tmp_path / "out", entry(**values), {"train": tmp_path / f"{name}.txt"})
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 100_000


@pytest.mark.parametrize(
    ("train", "valid", "says"),
    [
        (b"abc \xff", b"a", "train.txt: not UTF-8: byte 0xff at offset 4"),
        (b"abc", b"\xe5\xad", "valid.txt: not UTF-8: byte 0xe5 at offset 0"),
        (b"abc", b"", "valid.txt: nothing to tokenize"),
        (b"", b"a", "train.txt: nothing to tokenize"),
    ],
)
def test_bad_input_leaves_the_old_store_alone(train, valid, says, build, entry, tmp_path):
    folder, _ = build("old")
    expected = content(folder)
    sources = {"train": tmp_path / "train.txt", "valid": tmp_path / "valid.txt"}
    sources["train"].write_bytes(train)
    sources["valid"].write_bytes(valid)
    with pytest.raises(AnamnesisError) as caught:
        store.write(folder, entry(kind="characters"), sources)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert content(folder) == expected
    assert {path.name for path in tmp_path.iterdir()} == {"store", "train.txt", "valid.txt", "test.txt"}


HALF = b'{"corpus": "c", "kind": "characters", "splits": '


@pytest.mark.parametrize(
    "data",
    [b"[]", b"{}", b"\xff", b"[" * 200_000, HALF + b"[]}", HALF + b'{"train": {}, "valid": 1}}'],
    ids=lambda data: repr(data[:60]),
)
def test_damaged_counts_are_refused(build, data):
    folder, _ = build("abc")
    (folder / "stats.json").write_bytes(data)
    with pytest.raises(AnamnesisError, match=r"stats\.json: not the counts"):
        store.read_stats(folder)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(AnamnesisError, match="no such file; make it first: dvc repro tokenize@none"):
        store.open_split(tmp_path / "none", "train")
    with pytest.raises(AnamnesisError, match="no such file; make it first: dvc repro tokenize@none"):
        store.read_stats(tmp_path / "none")
    with pytest.raises(AnamnesisError, match="fetch it first: anamnesis repro fetch@none"):
        store.sources("none", tmp_path)
    (tmp_path / "data" / "raw" / "table").mkdir(parents=True)
    for split in store.SPLITS[:2]:
        (tmp_path / "data" / "raw" / "table" / f"{split}.csv").write_text("label,text\n")
    with pytest.raises(AnamnesisError, match=r"test\.csv: no such file; fetch it first"):
        store.sources("table", tmp_path)


TALES = "Once upon a time\nthere was.\n\f\nTwo\r\ntimes\f\n\f\nthe end\n"


@pytest.mark.parametrize(
    "values", [{"kind": "characters"}, {"kind": "bigrams"}, {"kind": "subwords", "size": 270}], ids=lambda v: v["kind"]
)
def test_the_ids_restore_the_text_with_its_separators(build, values):
    texts = {"train": TALES * 3, "valid": "the\n\f\ntime\n", "test": "Once\n\f\nthe end\n\f\n"}
    folder, _ = build(**texts, **values)
    assert {split: "".join(store.text_blocks(folder, split)) for split in texts} == texts


def test_ids_that_do_not_determine_the_text(build):
    folder, _ = build("abc", "abd", "ab")
    assert "".join(store.text_blocks(folder, "test")) == "ab"
    with pytest.raises(AnamnesisError, match=r"1 tokens of valid are unknown: the ids do not determine its text$"):
        "".join(store.text_blocks(folder, "valid"))
    folder, _ = build("One  two.", "two", "One", kind="words")
    with pytest.raises(AnamnesisError, match=r"the ids of train, of kind words, do not determine its text"):
        "".join(store.text_blocks(folder, "train"))


def test_words_without_marks_are_counted_over_all_splits(build):
    texts = {"train": "The cat -- the CAT. " * 3, "valid": "A dog, a cat", "test": "Dogs."}
    _, stats = build(**texts, kind="words", lower=True, delete=",.-")
    assert (stats["words"], stats["different_words"]) == (12 + 4 + 1, 5)
    assert stage.summary(stats).endswith("; 17 words, 5 of them different")
    _, stats = build(**texts, kind="words", lower=True)
    assert "words" not in stats
    assert "different" not in stage.summary(stats)
