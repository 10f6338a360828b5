"""Tables that are no corpus, kinds of tokens that do not fit them, and damaged stores: each is refused in one line."""

from pathlib import Path

import numpy as np
import pytest

from anamnesis.data.stores import store
from anamnesis.data.stores.images import COLUMNS
from anamnesis.errors import AnamnesisError

PIXELS = ",".join(COLUMNS) + "\n"
IMAGE = "0," * 64 + "3\n"
KINDS = ("characters", "bigrams", "words", "subwords", "word-pairs", "subword-pairs", "images", "series")
# Form -> the kinds of tokens it can have, a file of it, and the function that opens a split.
FORMS = {
    "running text": (KINDS[:4], "abc", store.open_split),
    "a table of documents": (("characters", *KINDS[2:4]), "label,text\na,xyz\na,x\n", store.open_documents),
    "a table of sentence pairs": (KINDS[4:6], "source,target,origin\na b c,d e f,x\na,d,x\n", store.open_pairs),
    "a table of images": (("images",), PIXELS + 2 * IMAGE, store.open_images),
    "a series of numbers": (("series",), "time,value\n1,2\n2,3\n", store.open_series),
}
TEXT, DOCUMENTS, PAIRS, IMAGES, SERIES = FORMS


def sources_of(form: str, folder: Path) -> dict[str, Path]:
    """The files of a corpus of this form."""
    paths = {split: folder / f"{split}.{'txt' if form == TEXT else 'csv'}" for split in store.SPLITS}
    for path in paths.values():
        path.write_text(FORMS[form][1])
    return paths


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_its_kinds_of_tokens(form, entry, tmp_path):
    *others, last = allowed = FORMS[form][0]
    names = f"{', '.join(others)} or {last}" if others else last
    for kind in KINDS:
        tokens = entry(kind=kind, **{"size": 300} if kind.startswith("subword") else {})
        if kind in allowed:
            store.write(tmp_path / kind, tokens, sources_of(form, tmp_path))
            continue
        with pytest.raises(AnamnesisError) as caught:
            store.write(tmp_path / kind, tokens, sources_of(form, tmp_path))
        assert str(caught.value) == f"corpus 'small' is {form}: found kind '{kind}'; allowed: {names}"
        assert not (tmp_path / kind).exists()


@pytest.mark.parametrize(
    ("form", "data", "problem"),
    [
        # How a table is read is the same for every form.
        (DOCUMENTS, b"", r"found the columns \(none\); allowed: label, text"),
        (DOCUMENTS, b"place,value\n1,2\n", "found the columns place, value; allowed: label, text"),
        (DOCUMENTS, b"label,text\na,b\na\n", "line 3: 1 columns; 2 are expected"),
        (DOCUMENTS, b'label,text\na,"b\n', "line 2: unexpected end of data"),
        (DOCUMENTS, b"label,text\na,b\na,\xff\n", "line 3: not UTF-8"),
        (DOCUMENTS, b"label,text\n", "the table has no documents"),
        (DOCUMENTS, b"label,text\na,b\na,\n", "document 2 has nothing to tokenize"),
        (PAIRS, b"source,target,origin\n", "the table has no pairs"),
        (PAIRS, b"source,target,origin\na,b,c\na,,c\n", "pair 2: nothing to tokenize in its target: ''"),
        (PAIRS, b"source,target,origin\na,b,c\n \t,b,c\n", r"pair 2: nothing to tokenize in its source: ' \\t'"),
        (IMAGES, PIXELS.encode(), "the table has no images"),
        (IMAGES, f"{PIXELS}17{IMAGE[1:]}".encode(), "pixels from 0 to 16, and a digit"),
        (IMAGES, f"{PIXELS}x{IMAGE[1:]}".encode(), "pixels from 0 to 16, and a digit"),
        (IMAGES, f"{PIXELS}{'0,' * 64}10\n".encode(), "pixels from 0 to 16, and a digit"),
        (SERIES, b"time,value\n", "one finite number or more"),
        (SERIES, b"time,value\n7,x\n", "one finite number or more"),
        (SERIES, b"time,value\n7,nan\n", "one finite number or more"),
    ],
    ids=str,
)
def test_tables_that_are_refused_leave_the_old_store(form, data, problem, entry, tmp_path):
    tokens = entry(kind=FORMS[form][0][0])
    stats = store.write(tmp_path / "store", tokens, sources_of(form, tmp_path))
    for split in ("train", "valid"):
        sources = sources_of(form, tmp_path)
        sources[split].write_bytes(data)
        with pytest.raises(AnamnesisError, match=f"{split}.csv: .*{problem}") as caught:
            store.write(tmp_path / "store", tokens, sources)
        assert "\n" not in str(caught.value)
        assert store.read_stats(tmp_path / "store") == stats


OFFSETS = [(DOCUMENTS, "train.offsets.npy"), (PAIRS, "train.source.offsets.npy"), (PAIRS, "train.target.offsets.npy")]


@pytest.mark.parametrize(
    ("form", "file", "content", "problem"),
    [
        *(
            (form, file, np.array(offsets, np.int64), f"{file}: (does not fit|not an array)")
            for form, file in OFFSETS
            for offsets in ([0, 3, 5], [1, 3, 4], [0, 4, 4], [0, 5, 4], [], [0])
        ),
        (DOCUMENTS, "train.labels.npy", np.zeros(3, np.uint8), "train.offsets.npy: does not fit"),
        (DOCUMENTS, "train.offsets.npy", np.zeros(3), "not an array of offsets: allowed: one axis of int64"),
        (DOCUMENTS, "train.labels.npy", None, "train.labels.npy: no such file; make it first"),
        (PAIRS, "train.source.npy", b"no", "train.source.npy: not an array of ids"),
        (PAIRS, "train.target.offsets.npy", None, "train.target.offsets.npy: no such file; make it first"),
        (IMAGES, "train.labels.npy", np.zeros(3, np.uint8), "does not fit"),
        (IMAGES, "train.labels.npy", np.full(2, 11, np.uint8), "does not fit"),
        (SERIES, "train.npy", np.zeros(1), r"train.csv: does not fit train.npy"),
        (SERIES, "train.npy", np.zeros(2, np.float32), "not an array of values: allowed: one axis of float64"),
        (SERIES, "train.csv", None, "train.csv: no such file; make it first: dvc repro tokenize@"),
        (TEXT, "train.npy", b"", "train.npy: not an array of ids"),
        (TEXT, "train.npy", b"\x93NUMPY\x01\x00\x76\x00{'descr': '|O'", "train.npy: not an array of ids"),
        (TEXT, "train.npy", np.zeros((2, 2), np.uint8), "train.npy: not an array of ids"),
        (TEXT, "train.npy", np.array([{}], object), "train.npy: not an array of ids"),
    ],
    ids=str,
)
def test_damaged_arrays_are_refused(form, file, content, problem, entry, tmp_path):
    kinds, _, open_form = FORMS[form]
    store.write(tmp_path / "store", entry(kind=kinds[0]), sources_of(form, tmp_path))
    assert len(open_form(tmp_path / "store", "train")) >= 2
    path = tmp_path / "store" / file
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)
    with pytest.raises(AnamnesisError, match=problem) as caught:
        open_form(tmp_path / "store", "train")
    assert "\n" not in str(caught.value)


def test_a_text_has_neither_documents_nor_pairs(build):
    folder, _ = build("abc")
    with pytest.raises(AnamnesisError, match=r"train.offsets.npy: .* holds a text, not documents"):
        store.open_documents(folder, "train")
    with pytest.raises(AnamnesisError, match=r"train.source.npy: no such file; .* holds no sentence pairs"):
        store.open_pairs(folder, "train")
