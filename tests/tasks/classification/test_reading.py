"""How documents are cut and filled up, against a loop over their words."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from anamnesis.data.tokenizers import tokenizer
from anamnesis.tasks.classification.reading import Reading, joined, vocabulary
from anamnesis.tasks.classification.settings import Experiment

Make = Callable[..., Experiment]
DUMMY = 99


def some(lengths: list[int]) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.integers(0, 90, size=length).astype(np.uint8) for length in lengths]


@pytest.mark.parametrize("padding", ["dummy", "packed"])
@pytest.mark.parametrize("lengths", [[1, 8, 9, 3, 20, 7], [2, 1, 5], [1], [12, 30]])
def test_documents_are_cut_and_filled_up(experiment: Make, padding: str, lengths: list[int]) -> None:
    documents = some(lengths)
    reading = Reading(*joined(documents), experiment(padding=padding), DUMMY)
    assert len(reading) == len(documents)
    for rows in ([0], list(range(len(documents))), [len(documents) - 1, 0]):
        ids, read = reading.pick(torch.tensor(rows))
        assert (ids.dtype, read.dtype) == (torch.int64, np.int64)
        assert ids.shape == (int(read.max()), len(rows))
        for column, row in enumerate(rows):
            words = documents[row][:8].tolist()
            if padding == "dummy":
                words += [DUMMY] * (8 - len(words))
            assert ids[: read[column], column].tolist() == words


@pytest.mark.parametrize("padding", ["dummy", "packed"])
def test_all_documents_take_the_memory_of_their_own_words(experiment: Make, padding: str) -> None:
    """One long document among 20,000 short ones: filled up to its length, all would take 16 GB."""
    documents = some([100_000, *[2] * 20_000])
    ids, offsets = joined(documents)
    tracemalloc.start()
    reading = Reading(ids, offsets, experiment(padding=padding, length=100_000), DUMMY)
    picked, read = reading.pick(torch.tensor([5, 7]))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16 * 2**20
    assert picked[:2].T.tolist() == [documents[5].tolist(), documents[7].tolist()]
    assert read.tolist() == ([2, 2] if padding == "packed" else [100_000, 100_000])


def test_dummy_has_an_id_of_its_own(stores: Any, experiment: Make) -> None:
    words = tokenizer.load(stores / "data" / "tokens" / "words" / "tokenizer.json")
    assert vocabulary(words, experiment(padding="packed")) == words.vocabulary_size
    assert vocabulary(words, experiment()) == words.vocabulary_size + 1
    assert words.vocabulary_size not in words.encode_document("DUMMY dummy <unk> the").ids
