"""Training and evaluation: networks learn, the best epoch is stored, and scores are those of the stored model."""

import csv
import math
from collections import Counter

import numpy as np
import pytest
import toys as toy
from listener import Recorder
from pydantic import TypeAdapter, ValidationError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from anamnesis.data.stores import store
from anamnesis.data.tokenizers.settings import Tokens
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.classification.model import tfidf
from anamnesis.tasks.classification.model.documents import join, open_split
from anamnesis.tasks.classification.settings import TfIdf


@pytest.mark.parametrize("labels", [3, 2])
@pytest.mark.parametrize("sublinear", [True, False])
@pytest.mark.parametrize("strength", [0.5, 100.0])
def test_the_baseline_is_scikit_learns_pipeline(labels, sublinear, strength):
    random = np.random.default_rng(2)

    def documents(number):
        """Ids of words, of which some are frequent under one label; ids below 3 are unknown words."""
        chosen = np.arange(number) % labels
        ids = [
            np.append(random.integers(0, 30, size=random.integers(1, 12)), random.integers(5 * label, 5 * label + 12))
            for label in chosen
        ]
        return join(ids, chosen)

    train, test = documents(60), documents(20)
    settings = TfIdf(architecture="tfidf", strength=strength, sublinear=sublinear)
    weights, iterations = tfidf.fit(train, settings, 30)
    assert 0 < iterations < tfidf.ITERATIONS
    assert {name: value.shape for name, value in weights.items()} == tfidf.shapes(30, labels)
    train_texts, test_texts = ([each[number].astype(str) for number in range(len(each))] for each in (train, test))
    vocabulary = [str(number) for number in range(3, 30)]
    vectorizer = TfidfVectorizer(analyzer=list, vocabulary=vocabulary, sublinear_tf=sublinear)
    regression = LogisticRegression(C=strength, max_iter=5000)
    regression.fit(vectorizer.fit_transform(train_texts), train.labels)
    found = tfidf.probabilities(weights, settings, [test[number] for number in range(len(test))])
    np.testing.assert_allclose(found, regression.predict_proba(vectorizer.transform(test_texts)), atol=1e-4)
    assert np.ptp(found[:, 0]) > 0.1


@pytest.mark.parametrize("name", ["lstm", "birnn", "cnn-lstm", "histogram", "encoder"])
def test_a_network_learns(toys, tmp_path, name):
    name, watch = f"classification-{name}", Recorder()
    training = {"epochs": 10, "learning_rate": 0.05, "checkpoint_steps": 1000}
    toy.train(name, toys.project(name, tmp_path / "project"), watch, toy.settings(name, training=training))
    # The loss of three labels that are equally probable is 1.1 nats.
    assert watch.rows[10]["train_loss"] < 0.9


@pytest.mark.parametrize("name", ["tfidf", "lstm", "birnn", "cnn-lstm", "histogram", "encoder", "finetuned"])
def test_scores_and_predictions_are_those_of_the_stored_model(toys, name):
    name = f"classification-{name}"
    model, metrics, predictions = toys.results(name)
    labels = model.card["labels"]
    for split in ("valid", "test"):
        held = open_split(toys.tokens(name), split, toy.settings(name).model, model.tokenizer)
        found = model.probabilities(held)
        predicted = found.argmax(1)
        assert metrics[split]["accuracy"] == pytest.approx((predicted == held.labels).mean(), rel=1e-5)
        assert metrics[split]["documents"] == len(held)
        if split == "valid" and name in toy.NETWORKS:
            # The weights are those of the best epoch.
            best = toy.rows(toys.model(name) / "history.csv")[model.card["best_epoch"] - 1]
            loss = -np.log(found[np.arange(len(held)), held.labels]).mean()
            assert float(best["valid_loss"]) == pytest.approx(loss, rel=1e-4)
            assert float(best["valid_accuracy"]) == pytest.approx(metrics["valid"]["accuracy"], rel=1e-4)
    counts = Counter(zip(held.labels.tolist(), predicted.tolist(), strict=True))
    assert [tuple(row.values()) for row in toy.rows(predictions / "confusion.csv")] == [
        (actual, guess, str(counts[row, column]))
        for row, actual in enumerate(labels)
        for column, guess in enumerate(labels)
    ]
    wrong, mistakes = np.flatnonzero(predicted != held.labels), toy.rows(predictions / "mistakes.csv")
    assert len(mistakes) == min(20, len(wrong))
    for number, row in zip(wrong, mistakes, strict=False):
        assert (row["actual"], row["predicted"]) == (labels[held.labels[number]], labels[predicted[number]])
        assert row["text"] == held.text(number, model.tokenizer)
    # The same from the texts, and a text of unknown words has probabilities, too.
    texts = [row["text"] for row in toy.rows(toys.root / "raw" / "test-documents.csv")]
    for ranking, row in zip(model.classify(texts), found, strict=True):
        assert dict(ranking) == pytest.approx(dict(zip(labels, row, strict=True)), rel=1e-4)
        assert ranking == sorted(ranking, key=lambda each: -each[1])
    [ranking] = model.classify(["\u4e2d"])
    assert math.fsum(probability for _, probability in ranking) == pytest.approx(1, rel=1e-5)


def write_store(root, rows):
    """Write the token store `documents`, with these rows of labels and texts in every split."""
    path = root / "documents.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("label", "text"), *rows])
    entry = TypeAdapter(Tokens).validate_python({"corpus": "toy", "kind": "words"})
    store.write(root / "data" / "tokens" / "documents", entry, dict.fromkeys(store.SPLITS, path))


def test_mistakes_are_the_first_and_are_cut(tmp_path):
    # Every text has both labels, of which one is wrong.
    texts = [" ".join([f"word{number}"] * 80) for number in range(30)]
    write_store(tmp_path, [(label, text) for text in texts for label in "xy"])
    toy.train("classification-tfidf", tmp_path)
    toy.evaluate("classification-tfidf", tmp_path)
    mistakes = toy.rows(tmp_path / "predictions" / "classification-tfidf" / "mistakes.csv")
    assert [row["text"] for row in mistakes] == [text[:300] for text in texts[:20]]


@pytest.mark.parametrize("name", ["classification-tfidf", "classification-lstm"])
def test_one_label_is_refused(tmp_path, name):
    write_store(tmp_path, [("ship", "port"), ("ship", "vessel")])
    with pytest.raises(AnamnesisError, match="data/tokens/documents: found documents of 1 labels"):
        toy.train(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("lstm", {"model": {"padding": "packed"}}, "needs `padding: dummy`"),
        ("birnn", {"model": {"norm": "batch"}}, "Extra inputs"),
        ("lstm", {"needs": "models/start"}, "remove `needs`"),
        ("encoder", {"needs": None}, "`needs: models/EXPERIMENT`"),
        ("encoder", {"needs": "cells/mgu.py"}, "allowed: models/EXPERIMENT"),
    ],
)
def test_a_key_that_does_not_fit_is_refused(name, changes, message):
    with pytest.raises(ValidationError, match=message):
        toy.settings(f"classification-{name}", **changes)
