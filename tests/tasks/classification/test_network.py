"""The networks of words against loops over words, how documents are cut and padded, and that padding has no effect."""

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from torch import nn

from anamnesis.data.tokenizers import tokenizer
from anamnesis.tasks.classification.model.batches import input_vocabulary, word_batch
from anamnesis.tasks.classification.model.documents import join
from anamnesis.tasks.classification.model.network import DocumentNetwork
from anamnesis.tasks.classification.settings import Model

VOCABULARY, LABELS = 30, 3
SUMMARIES = ("last", "mean", "max")
NETWORKS = {
    **{each: {"architecture": each} for each in ("rnn", "lstm", "lstm-gates")},
    "lstm-layer-norm": {"architecture": "lstm", "norm": "layer", "layers": 2},
    "gru-residual": {"architecture": "gru", "residual": True, "embedding": 8, "layers": 2},
    "birnn-gru": {"architecture": "birnn", "cell": "gru"},
    "deep-birnn": {"architecture": "birnn", "layers": 3},
    "cnn-lstm": {"architecture": "cnn-lstm", "channels": 5, "width": 3, "pool": 2},
    "cnn-lstm-wide": {"architecture": "cnn-lstm", "channels": 4, "width": 4, "pool": 3, "layers": 2},
}


def describe(**block):
    """The settings of a model that reads eight words."""
    return TypeAdapter(Model).validate_python({"hidden": 8, "embedding": 6, "length": 8, **block})


def new_network(settings, vocabulary=VOCABULARY):
    torch.manual_seed(3)
    network = DocumentNetwork(settings, vocabulary, LABELS)
    for parameter in network.parameters():
        if parameter.requires_grad:
            # Large weights, so that every word has an effect.
            nn.init.normal_(parameter, std=0.5)
    return network.eval()


def documents(lengths):
    random = np.random.default_rng(4)
    return [random.integers(3, VOCABULARY, size=length) for length in lengths]


def batch(given, settings):
    return word_batch(join(given, np.zeros(len(given), np.uint8)), np.arange(len(given)), settings, VOCABULARY)


def logits(network, given, settings):
    with torch.no_grad():
        return network(*batch(given, settings))


@pytest.mark.parametrize("padding", ["dummy", "packed"])
@pytest.mark.parametrize("lengths", [[1, 8, 9, 3, 20, 7], [12, 30]])
def test_documents_are_cut_and_padded(padding, lengths):
    given = documents(lengths)
    joined, settings = join(given, np.zeros(len(given), np.uint8)), describe(architecture="gru", padding=padding)
    for rows in ([0], list(range(len(given))), [len(given) - 1, 0]):
        ids, read = word_batch(joined, np.array(rows), settings, 99)
        assert (ids.dtype, read.dtype) == (torch.int64, np.int64)
        assert ids.shape == (int(read.max()), len(rows))
        for column, row in enumerate(rows):
            words = given[row][:8].tolist()
            if padding == "dummy":
                words += [99] * (8 - len(words))
            assert ids[: read[column], column].tolist() == words


def test_dummy_has_an_id_of_its_own(toys):
    words = tokenizer.load(toys.tokens("classification-lstm") / "tokenizer.json")
    assert input_vocabulary(describe(architecture="gru", padding="packed"), words) == words.vocabulary_size
    assert input_vocabulary(describe(architecture="gru"), words) == words.vocabulary_size + 1
    assert words.vocabulary_size not in words.encode_document("DUMMY dummy <unk> the").ids


@pytest.mark.parametrize("summary", SUMMARIES)
@pytest.mark.parametrize("name", NETWORKS)
def test_packed_documents_do_not_depend_on_their_neighbours(name, summary):
    settings = describe(**NETWORKS[name], summary=summary, dense=5, padding="packed")
    network = new_network(settings)
    given = documents([1, 2, 3, 5, 8, 11])
    together = logits(network, given, settings)
    alone = torch.cat([logits(network, [each], settings) for each in given])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    # Other padding changes nothing.
    ids, lengths = batch(given, settings)
    filled = torch.where(torch.arange(len(ids))[:, None] < torch.from_numpy(lengths), ids, 7)
    assert not torch.equal(filled, ids)
    with torch.no_grad():
        torch.testing.assert_close(network(filled, lengths), together, rtol=1e-5, atol=1e-6)
    assert together.std(0).min() > 1e-3


@pytest.mark.parametrize("summary", SUMMARIES)
@pytest.mark.parametrize("name", [*NETWORKS, "lstm-batch-norm"])
def test_dummy_is_a_word_like_any_other(name, summary):
    model = {**NETWORKS.get(name, {"architecture": "lstm", "norm": "batch"}), "summary": summary}
    filled = describe(**model)
    network = new_network(filled, VOCABULARY + 1)
    given = documents([1, 3, 8, 12])
    found = logits(network, given, filled)
    written = [np.append(each, [VOCABULARY] * 8)[:8] for each in given]
    torch.testing.assert_close(found, logits(network, written, filled))
    if name != "lstm-batch-norm":
        packed = describe(**model, padding="packed")
        torch.testing.assert_close(found, logits(network, written, packed))
        # The network does read it.
        assert not torch.allclose(found[0], logits(network, given, packed)[0], atol=1e-4)


@pytest.mark.parametrize("summary", SUMMARIES)
def test_a_plain_network_is_its_equations(summary):
    settings = describe(architecture="rnn", summary=summary, dense=5, padding="packed")
    network = new_network(settings)
    weights = {name: value.detach().double().numpy() for name, value in network.named_parameters()}
    prefix = "reader.layers.0."
    given = documents([1, 4, 8])
    for ids, found in zip(given, logits(network, given, settings), strict=True):
        h, states = np.zeros(8), []
        for word in ids:
            x = weights["embedding.weight"][word]
            h = np.tanh(
                weights[f"{prefix}weight_ih_l0"] @ x
                + weights[f"{prefix}bias_ih_l0"]
                + weights[f"{prefix}weight_hh_l0"] @ h
                + weights[f"{prefix}bias_hh_l0"]
            )
            states.append(h)
        expected_summary = {"last": h, "mean": np.mean(states, 0), "max": np.max(states, 0)}[summary]
        dense = np.maximum(weights["dense.weight"] @ expected_summary + weights["dense.bias"], 0)
        np.testing.assert_allclose(found, weights["output.weight"] @ dense + weights["output.bias"], rtol=1e-4)


@pytest.mark.parametrize("summary", SUMMARIES)
def test_a_bidirectional_network_reads_each_document_both_ways(summary):
    """PyTorch's cell gives the same, once from each end of every document by itself."""
    settings = describe(architecture="birnn", cell="lstm", summary=summary, padding="packed")
    network = new_network(settings)
    layer = network.reader.layers[0]
    cells = []
    for suffix in ("", "_reverse"):
        cell = nn.LSTMCell(6, 8)
        cell.load_state_dict({key.removesuffix("_l0"): layer.get_parameter(f"{key}{suffix}") for key in (
            "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"
        )})  # fmt: skip
        cells.append(cell)
    given = documents([1, 5, 8, 13])
    for ids, found in zip(given, logits(network, given, settings), strict=True):
        vectors = network.embedding(torch.from_numpy(ids[:8]))
        read = []
        for cell, order in zip(cells, (1, -1), strict=True):
            state, outputs = (torch.zeros(8), torch.zeros(8)), []
            for x in list(vectors)[::order]:
                state = cell(x, state)
                outputs.append(state[0])
            read.append((state[0], torch.stack(outputs[::order])))
        both = torch.cat([outputs for _, outputs in read], 1)
        last = torch.cat([state for state, _ in read])
        expected_summary = {"last": last, "mean": both.mean(0), "max": both.amax(0)}[summary]
        torch.testing.assert_close(found, network.output(expected_summary).detach(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("width", "pool"), [(1, 1), (2, 2), (3, 20), (12, 4)])
def test_convolution_and_pooling_see_no_further_than_the_document(width, pool):
    settings = describe(architecture="cnn-lstm", channels=4, width=width, pool=pool, padding="packed")
    network = new_network(settings)
    convolution = network.convolution
    weight, bias = (each.detach().double().numpy() for each in convolution.features.parameters())
    given = documents([1, 2, 5, 8])
    ids, lengths = batch(given, settings)
    with torch.no_grad():
        found, ends = convolution(network.embedding(ids), torch.from_numpy(lengths))
    before = (width - 1) // 2
    for column, document in enumerate(given):
        vectors = network.embedding.weight[document].detach().double().numpy()
        features = []
        for place in range(len(document)):
            total = bias.copy()
            for offset in range(width):
                neighbour = place + offset - before
                if 0 <= neighbour < len(document):
                    total += weight[:, :, offset] @ vectors[neighbour]
            features.append(np.maximum(total, 0))
        pooled = [np.max(features[first : first + pool], 0) for first in range(0, len(features), pool)]
        assert int(ends[column]) == len(pooled)
        np.testing.assert_allclose(found[: len(pooled), column], pooled, rtol=1e-4, atol=1e-5)
