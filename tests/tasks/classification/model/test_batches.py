"""How documents are cut and padded, against a loop over their words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anamnesis.data.tokenizers import tokenizer
from anamnesis.tasks.classification.model.batches import input_vocabulary, word_batch
from anamnesis.tasks.classification.model.documents import join
from anamnesis.tasks.classification.settings import Experiment

Make = Callable[..., Experiment]
DUMMY = 99


@pytest.mark.parametrize("padding", ["dummy", "packed"])
@pytest.mark.parametrize("lengths", [[1, 8, 9, 3, 20, 7], [2, 1, 5], [1], [12, 30]])
def test_documents_are_cut_and_padded(experiment: Make, padding: str, lengths: list[int]) -> None:
    random = np.random.default_rng(1)
    given = [random.integers(0, 90, size=length).astype(np.uint8) for length in lengths]
    documents = join(given, np.zeros(len(given), np.uint8))
    settings: Any = experiment(model={"padding": padding}).model
    for rows in ([0], list(range(len(given))), [len(given) - 1, 0]):
        ids, read = word_batch(documents, np.array(rows), settings, DUMMY)
        assert (ids.dtype, read.dtype) == (torch.int64, np.int64)
        assert ids.shape == (int(read.max()), len(rows))
        for column, row in enumerate(rows):
            words = given[row][:8].tolist()
            if padding == "dummy":
                words += [DUMMY] * (8 - len(words))
            assert ids[: read[column], column].tolist() == words


def test_dummy_has_an_id_of_its_own(stores: Path, experiment: Make) -> None:
    words = tokenizer.load(stores / "data" / "tokens" / "words" / "tokenizer.json")
    packed: Any = experiment(model={"padding": "packed"}).model
    dummy: Any = experiment().model
    assert input_vocabulary(packed, words) == words.vocabulary_size
    assert input_vocabulary(dummy, words) == words.vocabulary_size + 1
    assert words.vocabulary_size not in words.encode_document("DUMMY dummy <unk> the").ids
