"""Models of characters: frequencies, the head, and a language model as frozen, random or fine-tuned encoder."""

import numpy as np
import pytest
import torch
import toys as toy

from anamnesis import models
from anamnesis.data.tokenizers import tokenizer
from anamnesis.tasks.classification.model.batches import pad
from anamnesis.tasks.classification.model.documents import encode, join, open_split
from anamnesis.tasks.classification.model.encoder import FineTuned, new_encoder, summaries
from anamnesis.tasks.classification.model.features import Head, frequencies, moments
from anamnesis.training.fit import seed

FROZEN, TUNED = "classification-encoder", "classification-finetuned"


@pytest.fixture(scope="module")
def letters(toys):
    return tokenizer.load(toys.tokens(FROZEN) / "tokenizer.json")


def test_layout_is_removed_before_a_model_reads_a_passage(letters):
    ids = encode(toy.settings("classification-histogram").model, letters, "  cat eats\r\n\ta\u00a0bird\n\n called ")
    assert letters.decode(ids) == "cat eats a bird called"


def test_a_language_model_reads_its_own_tokens_of_the_first_characters(toys):
    own = tokenizer.load(toys.model("language-gru") / "tokenizer.json")
    valid = open_split(toys.tokens(TUNED), "valid", toy.settings(TUNED).model, own)
    texts = [row["text"] for row in toy.rows(toys.root / "raw" / "valid-documents.csv")]
    assert max(map(len, texts)) > 40
    assert [ids.tolist() for ids in valid] == [own.encode(text[:40]).tolist() for text in texts]


def test_frequencies_are_shares_of_tokens(letters):
    documents = join([letters.encode(text) for text in ("abca", "\u03a9", "")], np.zeros(3))
    found = frequencies(documents, np.arange(3), letters.vocabulary_size)
    shares = {letters.decode([int(index)]): found[0, index] for index in np.flatnonzero(found[0])}
    assert shares == {"a": 0.5, "b": 0.25, "c": 0.25}
    assert found[1, letters.unknown_id] == 1
    assert not found[2].any()


def test_the_head_standardises_its_features():
    features = np.random.default_rng(1).normal(3, 2, (20, 5)).astype(np.float32)
    features[:, 4] = 7
    mean, scale = moments(features)
    np.testing.assert_allclose(mean, features.mean(0), rtol=1e-6)
    np.testing.assert_allclose(scale, [*features[:, :4].std(0), 1], rtol=1e-6)
    head = Head(toy.settings(FROZEN).model, mean, scale, 3).eval()
    w1, b1, w2, b2 = (value.detach().numpy() for value in head.parameters())
    hidden = np.maximum((features - mean) / scale @ w1.T + b1, 0)
    logits = head(torch.from_numpy(features)).detach().numpy()
    np.testing.assert_allclose(logits, hidden @ w2.T + b2, rtol=1e-4, atol=1e-5)


def stored(folder, prefix="encoder."):
    weights = models.read(folder)[1]
    return {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}


def train(toys, root, **changes):
    """The folder of a new model for one epoch."""
    toys.project(FROZEN, root)
    return toy.train("mine", root, experiment=toy.settings(FROZEN, model=changes, training={"epochs": 1}))


def test_frozen_weights_are_the_language_models_and_random_ones_are_drawn(toys, tmp_path):
    source = toys.model("language-gru")
    start = {key: value for key, value in stored(source, "").items() if "softmax" not in key}
    frozen, random = stored(toys.model(FROZEN)), stored(train(toys, tmp_path / "random", untrained=True))
    assert start.keys() == frozen.keys() == random.keys()
    seed(1)
    drawn = new_encoder(toys.root, models.read_card(source)["model"], len(start["embedding.weight"]))
    for name, value in start.items():
        np.testing.assert_array_equal(frozen[name], value)
        np.testing.assert_array_equal(random[name], drawn.get_parameter(name).detach().numpy())
    # Fine-tuning trains every weight, from either start.
    tuned = stored(train(toys, tmp_path / "tuned", untrained=True, finetune=True))
    for before, after in ((frozen, stored(toys.model(TUNED))), (random, tuned)):
        assert not any(np.array_equal(value, before[name]) for name, value in after.items())


def test_the_network_that_is_fine_tuned_is_the_one_that_is_used(toys):
    model, settings = toys.loaded(TUNED), toy.settings(TUNED).model
    valid = open_split(toys.tokens(TUNED), "valid", settings, model.tokenizer)
    found = model.probabilities(valid)
    weights = models.read(toys.model(TUNED))[1]
    encoder = new_encoder(toys.root, model.card["encoder"], model.tokenizer.vocabulary_size)
    labels = len(model.card["labels"])
    network = FineTuned(settings, encoder, Head(settings, weights["mean"], weights["scale"], labels)).eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            value.copy_(torch.from_numpy(weights[name]))
    logits = network(*pad(valid, np.arange(len(valid))))
    np.testing.assert_allclose(logits.softmax(-1).detach(), found, rtol=1e-4, atol=1e-6)
    # Each document alone, so without any padding.
    alone = torch.cat([network(*pad(valid, np.array([row]))) for row in range(len(valid))])
    torch.testing.assert_close(alone, logits, rtol=1e-4, atol=1e-5)
    states = summaries(settings, encoder.eval(), valid, np.arange(len(valid)))
    torch.testing.assert_close(network.head(torch.from_numpy(states)), logits, rtol=1e-4, atol=1e-5)
