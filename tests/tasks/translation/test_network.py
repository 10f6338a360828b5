"""The networks against references in plain steps: states, attention, padding, whole targets, loss, size of tensors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from anamnesis.nn.stack import flatten
from anamnesis.tasks.translation.batches import Batch, collate
from anamnesis.tasks.translation.network import EncoderDecoder

from .conftest import ATTENTIVE, NETWORKS, SEQ2SEQ

Make = Callable[..., EncoderDecoder]

START, END = 1, 2
SOURCES = [np.array(ids) for ids in ([4, 7, 5, 9, 2], [3, 2], [10, 8, 6, 2], [5, 5, 0, 4, 3, 9, 2])]
TARGETS = [np.array(ids) for ids in ([12, 3, 2], [9, 8, 7, 6, 5, 2], [4, 2], [11, 10, 3, 2])]


def named(networks: dict[str, dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("settings", networks.values(), ids=networks)


def pair(number: int) -> Batch:
    return collate([SOURCES[number]], [TARGETS[number]], START)


def encoded(network: EncoderDecoder, batch: Batch) -> Any:
    return network.encode(batch.source, torch.from_numpy(batch.lengths))


def vectors(embedding: nn.Embedding, ids: Tensor) -> Tensor:
    """What the layers read of tokens: their embeddings times the root of the size."""
    return embedding.weight[ids] * embedding.weight.shape[1] ** 0.25


def copied(layers: nn.ModuleList, kind: str, bidirectional: bool = False) -> Any:
    """PyTorch's own module of all these layers."""
    weights = {
        name.replace("_l0", f"_l{index}"): value
        for index, layer in enumerate(layers)
        for name, value in layer.state_dict().items()
    }
    first: Any = layers[0]
    twin = getattr(nn, kind.upper())(first.input_size, first.hidden_size, len(layers), bidirectional=bidirectional)
    twin.load_state_dict(weights)
    return twin


@named(NETWORKS)
def test_neither_padding_nor_company_changes_a_readout(network: Make, settings: dict[str, Any]) -> None:
    made = network(settings)
    batch = collate(SOURCES, TARGETS, START)
    with torch.no_grad():
        together = made(batch)
        for number, target in enumerate(TARGETS):
            alone = made(pair(number))
            assert alone.shape == (len(target), 6)
            here = together[batch.places % len(TARGETS) == number]
            torch.testing.assert_close(here, alone, atol=1e-5, rtol=1e-5)
        padding = torch.arange(len(batch.source))[:, None] >= torch.from_numpy(batch.lengths)
        assert padding.any()
        for other in (0, 9):
            assert torch.equal(made(batch._replace(source=batch.source.masked_fill(padding, other))), together)


@named(NETWORKS)
def test_the_whole_target_at_once_equals_token_by_token(network: Make, settings: dict[str, Any]) -> None:
    made = network(settings)
    batch = collate(SOURCES, TARGETS, START)
    with torch.no_grad():
        state, memory = encoded(made, batch)
        whole, after, weights = made.decode(batch.inputs, state, memory)
        fed = None
        for time, tokens in enumerate(batch.inputs):
            readout, state, weight = made.decode(tokens[None], state, memory, fed)
            fed = readout[0]
            torch.testing.assert_close(readout[0], whole[time], atol=1e-5, rtol=1e-5)
            if weights is not None:
                assert weight is not None
                torch.testing.assert_close(weight[:, 0], weights[:, time], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(flatten(state), flatten(after), atol=1e-5, rtol=1e-5)
    assert (weights is None) == (settings["architecture"] == "seq2seq")


@named(SEQ2SEQ)
def test_the_decoder_starts_from_the_encoders_last_state_and_cell(network: Make, settings: dict[str, Any]) -> None:
    made = network(settings)
    encoder = copied(made.encoder.layers, settings["cell"])
    decoder = copied(made.decoder.layers, settings["cell"])
    batch = collate(SOURCES, TARGETS, START)
    with torch.no_grad():
        logits = made.output(made(batch))
        for number, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
            read = torch.from_numpy(source[::-1].copy() if settings["reverse"] else source)
            _, state = encoder(vectors(made.source_embedding, read))
            inputs = torch.from_numpy(np.array([START, *target[:-1]]))
            outputs, _ = decoder(vectors(made.target_embedding, inputs), state)
            found = logits[batch.places % len(TARGETS) == number]
            torch.testing.assert_close(found, made.output(outputs), atol=1e-5, rtol=1e-5)


def test_reading_backwards_equals_reading_the_sentence_turned_round(network: Make) -> None:
    forwards, backwards = (network(SEQ2SEQ[name]) for name in ("lstm-2", "lstm-2-reversed"))
    turned = [source[::-1].copy() for source in SOURCES]
    with torch.no_grad():
        found = backwards(collate(SOURCES, TARGETS, START))
        assert torch.equal(found, forwards(collate(turned, TARGETS, START)))
        assert not torch.allclose(found, forwards(collate(SOURCES, TARGETS, START)), atol=1e-2)


def test_a_readout_of_another_size_than_the_state(network: Make) -> None:
    made = network(SEQ2SEQ["gru-1"], embedding=4)
    decoder = copied(made.decoder.layers, "gru")
    batch = pair(0)
    with torch.no_grad():
        state, _ = encoded(made, batch)
        outputs, _ = decoder(vectors(made.target_embedding, batch.inputs), state[0][0][None])
        expected = torch.tanh(outputs[:, 0] @ made.combined.weight.T)
        torch.testing.assert_close(made(batch), expected)


def scored(made: EncoderDecoder, query: Tensor, step: Tensor) -> Tensor:
    """How well one step of the memory answers one query, by the papers' formulas."""
    attention: Any = made.attention
    if made.settings.attention == "multiplicative":  # type: ignore[union-attr]
        return query @ (attention.memory.weight @ step)
    inner = attention.query.weight @ query + attention.query.bias + attention.memory.weight @ step
    return attention.score.weight[0] @ torch.tanh(inner)


@named(ATTENTIVE)
def test_attention_equals_a_loop_over_one_sentence(network: Make, settings: dict[str, Any]) -> None:
    made = network(settings, embedding=5)
    feeding, cell, layers = settings["input_feeding"], settings["cell"], settings["layers"]
    encoder = copied(made.encoder.layers, cell, bidirectional=True)
    decoder = copied(made.decoder.layers, cell)
    with torch.no_grad():
        for number, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
            memory, last = encoder(vectors(made.source_embedding, torch.from_numpy(source)))
            parts = last if cell == "lstm" else (last,)
            # (layer and direction, hidden) -> of each layer the two directions beside each other
            beside = [part.reshape(layers, -1) for part in parts]
            starts: list[list[Tensor]] = [[] for _ in parts]
            bridges: Any = iter(made.bridges)
            for layer in range(layers):
                for index, part in enumerate(beside):
                    bridge = next(bridges)
                    through = bridge.weight @ part[layer] + bridge.bias
                    starts[index].append(through if index else torch.tanh(through))
            state: Any = tuple(torch.stack(start) for start in starts)
            state = state if cell == "lstm" else state[0]
            fed, readouts, rows = torch.zeros(5), [], []
            for token in [START, *target[:-1].tolist()]:
                read = vectors(made.target_embedding, torch.tensor(token))
                outputs, state = decoder(torch.cat([read, fed] if feeding else [read])[None], state)
                query = outputs[0]
                raised = torch.stack([scored(made, query, step) for step in memory]).exp()
                weights = raised / raised.sum()
                context = sum(weight * step for weight, step in zip(weights, memory, strict=True))
                fed = torch.tanh(made.combined.weight @ torch.cat([context, query]))
                readouts.append(fed)
                rows.append(weights)
            batch = pair(number)
            torch.testing.assert_close(made(batch), torch.stack(readouts), atol=1e-5, rtol=1e-4)
            found = made.decode(batch.inputs, *encoded(made, batch))[2]
            assert found is not None
            torch.testing.assert_close(found[0], torch.stack(rows), atol=1e-5, rtol=1e-4)


@named(NETWORKS)
def test_every_parameter_learns(network: Make, settings: dict[str, Any]) -> None:
    made = network(settings).train()
    batch = collate(SOURCES, TARGETS, START)
    made.loss(made(batch), batch.targets)[0].backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("tied", ["none", "output"])
def test_the_loss_is_pytorchs_smoothed_cross_entropy(network: Make, share: float, tied: str) -> None:
    made = network(ATTENTIVE["additive-gru-1"], label_smoothing=share, tied=tied)
    torch.manual_seed(0)
    readouts, targets = torch.randn(20, 6, requires_grad=True), torch.randint(13, (20,))
    weights = (readouts, made.output.weight, made.output.bias)
    loss, plain = made.loss(readouts, targets)
    expected = cross_entropy(made.output(readouts), targets, label_smoothing=share, reduction="sum")
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(plain, cross_entropy(made.output(readouts), targets, reduction="sum").detach())
    assert not plain.requires_grad
    assert torch.equal(loss, plain) == (share == 0)
    for found, wanted in zip(torch.autograd.grad(loss, weights), torch.autograd.grad(expected, weights), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_log_probabilities_are_of_all_tokens_together(network: Make) -> None:
    made = network(SEQ2SEQ["gru-1"])
    readouts = torch.randn(4, 3, 6)
    with torch.no_grad():
        found = made.log_probabilities(readouts)
        loss = -made.loss(readouts.flatten(0, 1), torch.arange(12))[1]
    assert found.shape == (4, 3, 13)
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(4, 3))
    torch.testing.assert_close(found.flatten(0, 1)[torch.arange(12), torch.arange(12)].sum(), loss)


@pytest.mark.parametrize("settings", [SEQ2SEQ["lstm-1"], ATTENTIVE["additive-lstm-1-feeding"]])
@pytest.mark.parametrize("tied", ["none", "output", "all"])
def test_tied_weights_are_one_tensor(network: Make, settings: dict[str, Any], tied: str) -> None:
    made = network(settings, 13, 13, tied=tied)
    source, target, output = made.source_embedding.weight, made.target_embedding.weight, made.output.weight
    assert (output is target) == (tied != "none")
    assert (source is target) == (tied == "all")
    assert (output.data_ptr() == target.data_ptr()) == (tied != "none")
    untied = network(settings, 13, 13)
    saved = {"none": 0, "output": 1, "all": 2}[tied] * 13 * 6
    assert sum(value.numel() for value in made.parameters()) == sum(v.numel() for v in untied.parameters()) - saved


class Sizes(TorchDispatchMode):
    """Notes how many numbers each tensor holds that is made; a kernel's working space of bytes holds none."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        self.sizes += [
            each.numel() for each in tree_leaves(made) if isinstance(each, Tensor) and each.dtype.itemsize > 1
        ]
        return made


@named({name: NETWORKS[name] for name in ("gru-1", "lstm-2-reversed", *ATTENTIVE)})
def test_no_tensor_is_larger_than_the_targets_times_the_vocabulary(network: Make, settings: dict[str, Any]) -> None:
    vocabulary, pairs, time, hidden = 211, 5, 6, 4
    made = network(settings, 11, vocabulary, hidden=hidden, label_smoothing=0.1).train()
    batch = collate([SOURCES[0]] * pairs, [np.array([7] * (time - 1) + [END])] * pairs, START)
    sizes = Sizes()
    with sizes:
        made.loss(made(batch), batch.targets)[0].backward()
    assert made.output.weight.grad is not None
    assert max(sizes.sizes) == pairs * time * vocabulary
    # What additive attention makes of each source token for each target token has no vocabulary in it, either.
    assert pairs * time * len(SOURCES[0]) * hidden < max(sizes.sizes)


def test_dropout_is_only_in_training(network: Make) -> None:
    made = network(ATTENTIVE["additive-lstm-2"], dropout=0.5)
    batch = collate(SOURCES, TARGETS, START)
    assert torch.equal(made(batch), made(batch))
    made.train()
    assert not torch.equal(made(batch), made(batch))
