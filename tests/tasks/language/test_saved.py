"""A model folder: the same bytes each time, the same model back, and every damage noticed."""

import hashlib
import json
import shutil
import struct

import numpy as np
import pytest

from anamnesis import files
from anamnesis import models as folders
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language import baselines, saved


@pytest.fixture
def folder(trained, tmp_path):
    return shutil.copytree(trained("words"), tmp_path / "model")


def reseal(folder, change=lambda card: None):
    """Change a card and make all digests right again, as someone who means harm would."""
    card = json.loads((folder / "model.json").read_text())
    card["weights_sha256"] = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    card["tokenizer_sha256"] = hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()
    change(card)
    card["fingerprint"] = folders.fingerprint(card)
    (folder / "model.json").write_text(json.dumps(card))


def test_the_card_says_what_the_model_is(folder, stores):
    card = saved.load(folder).card
    expected = {
        "format": 1,
        "experiment": "words-ngram",
        "task": "language",
        "corpus": "manual",
        "tokens": "words",
        "architecture": "ngram",
        "model": {"architecture": "ngram", "order": 3},
        "training": None,
        "seed": 1,
        "best_epoch": None,
        "weights_sha256": files.sha256_file(folder / "weights.safetensors"),
        "tokenizer_sha256": files.sha256_file(stores / "data" / "tokens" / "words" / "tokenizer.json"),
    }
    assert expected.items() <= card.items()
    assert {"parameters", "batches", "sampling", "inputs", "fingerprint"} <= card.keys()


def test_arrays_come_back_whatever_their_memory_layout(tmp_path, stores):
    weights = {
        "transposed": np.arange(6.0).reshape(2, 3).T,
        "strided": np.arange(10, dtype=np.int64)[::3],
        "big-endian": np.arange(4, dtype=">f4"),
        "empty": np.empty((0, 3), np.float32),
    }
    saved.save(tmp_path, weights, {"format": 1}, stores / "data" / "tokens" / "words" / "tokenizer.json")
    found = folders.safetensors.load((tmp_path / "weights.safetensors").read_bytes())
    assert found.keys() == weights.keys()
    for name, value in weights.items():
        np.testing.assert_array_equal(found[name], value)


def test_two_trainings_write_the_same_bytes(stores, experiment, tmp_path):
    content = []
    for _ in range(2):
        shutil.rmtree(stores / "models" / "twice", ignore_errors=True)
        baselines.fit("twice", experiment("words"), stores, "digest")
        content.append({path.name: path.read_bytes() for path in (stores / "models" / "twice").iterdir()})
    assert content[0] == content[1]
    assert content[0].keys() == {"weights.safetensors", "model.json", "tokenizer.json", "history.csv", "samples.txt"}


def test_the_inputs_digest_follows_settings_and_store(stores, experiment, tmp_path):
    store = shutil.copytree(stores / "data" / "tokens" / "words", tmp_path / "store")
    first = folders.inputs_digest(experiment("words"), store)
    assert folders.inputs_digest(experiment("words"), store) == first
    assert folders.inputs_digest(experiment("words", seed=2), store) != first
    for name in ("stats.json", "tokenizer.json"):
        content = (store / name).read_text()
        (store / name).write_text(content + " ")
        assert folders.inputs_digest(experiment("words"), store) != first
        (store / name).write_text(content)


@pytest.mark.parametrize("name", ["weights.safetensors", "model.json", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["missing", "folder", "empty", "truncated", "one bit", "longer"])
def test_a_damaged_file_is_named(folder, name, damage):
    path = folder / name
    data = path.read_bytes()
    path.unlink()
    middle = len(data) // 2
    match damage:
        case "folder":
            path.mkdir()
        case "empty":
            path.write_bytes(b"")
        case "truncated":
            path.write_bytes(data[:middle])
        case "one bit":
            path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
        case "longer":
            path.write_bytes(data + b"x")
    with pytest.raises(AnamnesisError) as caught:
        saved.load(folder)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["experiment", "parameters", "model", "seed", "inputs", "fingerprint", "weights_sha256"]
)
def test_an_altered_card_is_refused(folder, key):
    card = json.loads((folder / "model.json").read_text())
    card[key] = {"architecture": "ngram", "order": 2} if key == "model" else "7"
    (folder / "model.json").write_text(files.canonical_json(card))
    with pytest.raises(AnamnesisError, match="altered or damaged"):
        saved.load(folder)


HEADERS = {
    "no header": b"",
    "short": b"\x08\0\0\0",
    "huge header": struct.pack("<Q", 2**63) + b"{}",
    "header past the end": struct.pack("<Q", 1000) + b"{}",
    "no JSON": struct.pack("<Q", 4) + b"abcd",
    "not UTF-8": struct.pack("<Q", 4) + b"\xff\xfe\xfd\xfc",
    "unknown type": b'{"a":{"dtype":"X9","shape":[1],"data_offsets":[0,1]}}',
    "type NumPy lacks": b'{"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}',
    "negative shape": b'{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,2]}}',
    "overflowing shape": b'{"a":{"dtype":"F64","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}}',
    "data elsewhere": b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[1000,1002]}}',
    "other arrays": b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}',
    "pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.",
}


@pytest.mark.parametrize("header", HEADERS)
def test_hostile_weights_with_right_digests_are_refused_without_a_traceback(folder, header):
    data = HEADERS[header]
    if data[:1] == b"{":
        data = struct.pack("<Q", len(data)) + data + b"\0\0"
    (folder / "weights.safetensors").write_bytes(data)
    reseal(folder)
    with pytest.raises(AnamnesisError) as caught:
        saved.load(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"model": None},
        {"model": {"architecture": "transformer"}},
        {"model": {"architecture": "ngram", "order": 10**9}},
        {"model": {"architecture": "ngram", "order": 2}},
        {"model": {"architecture": "uniform"}},
        {"architecture": "lstm"},
        {"seed": "one"},
        {"sampling": {"length": -1}},
    ],
)
def test_a_card_that_makes_no_sense_is_refused(folder, change):
    reseal(folder, lambda card: card.update(change))
    with pytest.raises(AnamnesisError):
        saved.load(folder)


@pytest.mark.parametrize("content", [b"[" * 100_000, b"[]", b"7", b'{"format": NaN}', b"\xff", b'{"format": 1}'])
def test_a_card_that_is_no_card_is_refused(folder, content):
    (folder / "model.json").write_bytes(content)
    with pytest.raises(AnamnesisError, match=r"model\.json"):
        saved.load(folder)


def test_a_tokenizer_of_another_size_is_refused(folder, trained):
    shutil.copy(trained("characters") / "tokenizer.json", folder)
    reseal(folder)
    with pytest.raises(AnamnesisError, match="n-gram"):
        saved.load(folder)


def test_history_has_six_digits():
    row = {"epoch": 12.0, "learning_rate": 1 / 3, "valid_loss": 2e-9}
    assert folders.history_csv(list(row), [row]).splitlines() == ["epoch,learning_rate,valid_loss", "12,0.333333,2e-09"]
