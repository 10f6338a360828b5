"""Features, their scale, and the head, each against a few lines of NumPy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from anamnesis.data.tokenizers import tokenizer
from anamnesis.tasks.classification.model.documents import join
from anamnesis.tasks.classification.model.features import Head, frequencies, moments
from anamnesis.tasks.classification.settings import Experiment


def test_frequencies_are_shares_of_tokens(stores: Path) -> None:
    letters = tokenizer.load(stores / "data" / "tokens" / "letters" / "tokenizer.json")
    documents = join([letters.encode(text) for text in ("abca", "\u03a9", "")], np.zeros(3))
    found = frequencies(documents, np.arange(3), letters.vocabulary_size)
    assert {letters.decode([int(index)]): found[0, index] for index in np.flatnonzero(found[0])} == {
        "a": 0.5,
        "b": 0.25,
        "c": 0.25,
    }
    assert found[1, letters.unknown_id] == 1
    assert not found[2].any()


def test_the_head_standardises_its_features(experiment: Callable[..., Experiment]) -> None:
    features = np.random.default_rng(1).normal(3, 2, (20, 5)).astype(np.float32)
    features[:, 4] = 7
    mean, scale = moments(features)
    np.testing.assert_allclose(mean, features.mean(0), rtol=1e-6)
    np.testing.assert_allclose(scale, [*features[:, :4].std(0), 1], rtol=1e-6)
    settings: Any = experiment("language-model").model
    head = Head(settings, mean, scale, 3).eval()
    w1, b1, w2, b2 = (value.detach().numpy() for value in head.parameters())
    hidden = np.maximum((features - mean) / scale @ w1.T + b1, 0)
    logits = head(torch.from_numpy(features)).detach().numpy()
    np.testing.assert_allclose(logits, hidden @ w2.T + b2, rtol=1e-4, atol=1e-5)
