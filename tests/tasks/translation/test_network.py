"""The networks against PyTorch's layers and loops over single sentences; their loss, tied weights and memory."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from anamnesis.tasks.translation.model.batches import collate

from .conftest import ATTENTIVE, NETWORKS, SEQ2SEQ

START, END = 1, 2
SOURCES = [np.array(ids) for ids in ([4, 7, 5, 9, 2], [3, 2], [10, 8, 6, 2], [5, 5, 0, 4, 3, 9, 2])]
TARGETS = [np.array(ids) for ids in ([12, 3, 2], [9, 8, 7, 6, 5, 2], [4, 2], [11, 10, 3, 2])]


def each_of(networks):
    return pytest.mark.parametrize("settings", networks.values(), ids=networks)


def vectors(embedding, ids):
    """The inputs of the layers: embeddings times the fourth root of their size."""
    return embedding.weight[ids] * embedding.weight.shape[1] ** 0.25


def pytorch_layers(layers, kind, bidirectional=False):
    """PyTorch's own module with the weights of all layers."""
    weights = {
        name.replace("_l0", f"_l{index}"): value
        for index, layer in enumerate(layers)
        for name, value in layer.state_dict().items()
    }
    first = layers[0]
    twin = getattr(nn, kind.upper())(first.input_size, first.hidden_size, len(layers), bidirectional=bidirectional)
    twin.load_state_dict(weights)
    return twin


@each_of(SEQ2SEQ)
def test_without_attention_it_is_pytorchs_encoder_and_decoder(network, settings):
    model, batch = network(settings, embedding=4), collate(SOURCES, TARGETS, START)
    encoder = pytorch_layers(model.encoder.layers, settings["cell"])
    decoder = pytorch_layers(model.decoder.layers, settings["cell"])
    with torch.no_grad():
        readouts = model(batch)
        for number, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
            read = torch.from_numpy(source[::-1].copy() if settings["reverse"] else source)
            _, state = encoder(vectors(model.source_embedding, read))
            inputs = torch.from_numpy(np.array([START, *target[:-1]]))
            outputs, _ = decoder(vectors(model.target_embedding, inputs), state)
            found = readouts[batch.places % len(TARGETS) == number]
            torch.testing.assert_close(found, torch.tanh(outputs @ model.combined.weight.T), atol=1e-5, rtol=1e-5)


def score(model, query, step):
    """The score of one step of the memory for one query, by the papers' formulas."""
    attention = model.attention
    if model.settings.attention == "multiplicative":
        return query @ (attention.memory.weight @ step)
    inner = attention.query.weight @ query + attention.query.bias + attention.memory.weight @ step
    return attention.score.weight[0] @ torch.tanh(inner)


@each_of(ATTENTIVE)
def test_attention_equals_a_loop_over_one_sentence(network, settings):
    model = network(settings, embedding=5)
    feeding, cell, layers = settings["input_feeding"], settings["cell"], settings["layers"]
    encoder = pytorch_layers(model.encoder.layers, cell, bidirectional=True)
    decoder = pytorch_layers(model.decoder.layers, cell)
    batch = collate(SOURCES, TARGETS, START)
    with torch.no_grad():
        together = model(batch)
        shares = model.decode(batch.inputs, *model.encode(batch.source, torch.from_numpy(batch.lengths)))[2]
        assert shares is not None
        for number, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
            memory, last = encoder(vectors(model.source_embedding, torch.from_numpy(source)))
            parts = last if cell == "lstm" else (last,)
            # (layers * directions, hidden) -> (layers, directions * hidden)
            states = [part.reshape(layers, -1) for part in parts]
            starts = [[] for _ in parts]
            bridges = iter(model.bridges)
            for layer in range(layers):
                for index, part in enumerate(states):
                    bridge = next(bridges)
                    start = bridge.weight @ part[layer] + bridge.bias
                    starts[index].append(start if index else torch.tanh(start))
            state = tuple(torch.stack(start) for start in starts)
            state = state if cell == "lstm" else state[0]
            fed, readouts, rows = torch.zeros(5), [], []
            for token in [START, *target[:-1].tolist()]:
                read = vectors(model.target_embedding, torch.tensor(token))
                outputs, state = decoder(torch.cat([read, fed] if feeding else [read])[None], state)
                query = outputs[0]
                exps = torch.stack([score(model, query, step) for step in memory]).exp()
                weights = exps / exps.sum()
                context = sum(weight * step for weight, step in zip(weights, memory, strict=True))
                fed = torch.tanh(model.combined.weight @ torch.cat([context, query]))
                readouts.append(fed)
                rows.append(weights)
            found = together[batch.places % len(TARGETS) == number]
            torch.testing.assert_close(found, torch.stack(readouts), atol=1e-5, rtol=1e-4)
            shown = shares[number, : len(target), : len(source)]
            torch.testing.assert_close(shown, torch.stack(rows), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("tied", ["none", "output"])
def test_the_loss_is_pytorchs_smoothed_cross_entropy(network, share, tied):
    model = network(ATTENTIVE["additive-gru-1"], label_smoothing=share, tied=tied)
    batch = collate(SOURCES, TARGETS, START)
    loss = model.loss(batch)
    logits = model.output(model(batch))
    assert loss.count == sum(map(len, TARGETS))
    assert loss.mean is not None
    torch.testing.assert_close(loss.total, cross_entropy(logits, batch.targets, reduction="sum").detach())
    expected = cross_entropy(logits, batch.targets, label_smoothing=share)
    torch.testing.assert_close(loss.mean, expected)
    assert not loss.total.requires_grad
    parameters = list(model.parameters())
    for found, wanted in zip(
        torch.autograd.grad(loss.mean, parameters), torch.autograd.grad(expected, parameters), strict=True
    ):
        # Every parameter has a gradient.
        assert wanted.any()
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("tied", ["none", "output", "all"])
def test_tied_weights_are_one_tensor(network, tied):
    settings = ATTENTIVE["additive-lstm-2-feeding"]
    model, untied = network(settings, 13, 13, tied=tied), network(settings, 13, 13)
    source, target, output = model.source_embedding.weight, model.target_embedding.weight, model.output.weight
    assert (output is target) == (tied != "none")
    assert (source is target) == (tied == "all")
    saved = {"none": 0, "output": 1, "all": 2}[tied] * 13 * 6
    assert sum(v.numel() for v in model.parameters()) == sum(v.numel() for v in untied.parameters()) - saved


class TensorSizes(TorchDispatchMode):
    """Notes the number of elements of every new tensor, except a kernel's workspace of bytes."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        tensors = (each for each in tree_leaves(result) if isinstance(each, Tensor))
        self.sizes += [each.numel() for each in tensors if each.dtype.itemsize > 1]
        return result


@each_of({name: NETWORKS[name] for name in ("gru-1", "additive-gru-1", "multiplicative-lstm-2-feeding")})
def test_no_tensor_is_larger_than_targets_times_vocabulary(network, settings):
    vocabulary, size, time = 211, 5, 6
    model = network(settings, 11, vocabulary, hidden=4, label_smoothing=0.1).train()
    batch = collate([SOURCES[0]] * size, [np.array([7] * (time - 1) + [END])] * size, START)
    with TensorSizes() as found:
        mean = model.loss(batch).mean
        assert mean is not None
        mean.backward()
    assert max(found.sizes) == size * time * vocabulary
