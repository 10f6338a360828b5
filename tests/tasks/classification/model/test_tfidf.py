"""The TF-IDF baseline: its probabilities are those of scikit-learn's pipeline."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from anamnesis.data.stores.documents import open_documents
from anamnesis.data.tokenizers import tokenizer
from anamnesis.tasks.classification.model import tfidf
from anamnesis.tasks.classification.settings import Experiment, TfIdf

from ..conftest import TOPICS, documents, write_store

Make = Callable[..., Experiment]


@pytest.mark.parametrize("topics", [3, 2])
@pytest.mark.parametrize("sublinear", [True, False])
@pytest.mark.parametrize("strength", [0.5, 100.0])
def test_probabilities_are_those_of_scikit_learn(tmp_path: Path, topics: int, sublinear: bool, strength: float) -> None:
    some = dict(list(TOPICS.items())[:topics])
    rows = {split: documents(60, seed, some) for seed, split in enumerate(("train", "valid", "test"))}
    # Words that occur once in the training split are unknown and have no weight.
    rows["test"].append((next(iter(some)), "zeppelin xylophone"))
    store = write_store(tmp_path, rows, minimum_count=2)
    settings = TfIdf(architecture="tfidf", strength=strength, sublinear=sublinear)
    words = tokenizer.load(store / "tokenizer.json")
    weights, iterations = tfidf.fit(open_documents(store, "train"), settings, words.vocabulary_size)
    assert 0 < iterations < tfidf.ITERATIONS
    shapes = tfidf.shapes(words.vocabulary_size, topics)
    assert {name: value.shape for name, value in weights.items()} == shapes

    vectorizer = TfidfVectorizer(analyzer=str.split, vocabulary=words.tokens[3:], sublinear_tf=sublinear)
    regression = LogisticRegression(C=strength, max_iter=5000)
    regression.fit(vectorizer.fit_transform([text for _, text in rows["train"]]), [row[0] for row in rows["train"]])
    test = open_documents(store, "test")
    found = tfidf.probabilities(weights, settings, [test[number] for number in range(len(test))])
    expected = regression.predict_proba(vectorizer.transform([text for _, text in rows["test"]]))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.ptp(found[:, 0]) > 0.1
