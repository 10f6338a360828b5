"""Translating texts: scores by teacher forcing, batches and limits; attention as the network computed it."""

import itertools

import numpy as np
import pytest
import torch

from anamnesis.data.tokenizers import words
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation import heatmap
from anamnesis.tasks.translation.evaluation.attention import attention_map
from anamnesis.tasks.translation.model import translator
from anamnesis.tasks.translation.model.batches import collate
from anamnesis.tasks.translation.model.languages import Language
from anamnesis.tasks.translation.model.translator import NetworkTranslator
from anamnesis.tasks.translation.settings import Search

from .conftest import ATTENTIVE, SEQ2SEQ

SOURCE = Language(words.learn(["the cat sees a dog and runs."]))
TARGET = Language(words.learn(["de kat ziet een hond en rent weg."]))
TEXTS = [
    "the cat runs.",
    "a dog sees the cat and the cat sees a dog.",
    "runs",
    "the zebra sees a dog.",
    "dog dog dog dog",
    "a cat and a dog.",
]
SOME = {
    "gru": SEQ2SEQ["gru-1"],
    "lstm-reversed": SEQ2SEQ["lstm-2-reversed"],
    "additive-feeding": ATTENTIVE["additive-lstm-2-feeding"],
    "multiplicative": ATTENTIVE["multiplicative-gru-1"],
}
some = pytest.mark.parametrize("settings", SOME.values(), ids=SOME)


@pytest.fixture
def model(network):
    def make(settings, **search):
        made = network(settings, SOURCE.size, TARGET.size, 1.0)
        # Some sentences end, others reach the limit.
        made.output.bias.data[TARGET.end] += 1.5
        return NetworkTranslator({"experiment": "mine"}, SOURCE, TARGET, made, Search(extra=3, **search))

    return make


def assert_same(found, expected):
    assert [(one.text, one.ids, one.tokens) for one in found] == [(one.text, one.ids, one.tokens) for one in expected]
    assert [one.score for one in found] == pytest.approx([one.score for one in expected], abs=1e-5)


@some
def test_a_translation_does_not_depend_on_other_texts(model, settings, monkeypatch):
    made = model(settings, ratio=1.0)
    texts = [*TEXTS, "", *reversed(TEXTS)]
    for beam in (1, 3):
        alone = [made.translate([text], beam, beam)[0] for text in texts]
        for batch in (64, 4):
            monkeypatch.setattr(translator, "BATCH", batch)
            counts = []
            for found, expected in zip(made.translate(texts, beam, beam, counts.append), alone, strict=True):
                assert_same(found, expected)
            assert sum(counts) == len(texts)
            assert max(counts) <= batch


@some
@pytest.mark.parametrize("penalty", [0.0, 0.7, 1.0])
def test_scores_are_log_probabilities_by_teacher_forcing(model, settings, penalty):
    made = model(settings, length_penalty=penalty)
    ended = []
    for text, best in zip(TEXTS, made.translate(TEXTS, 4, 3), strict=True):
        assert len({tuple(one.ids) for one in best}) == len(best) == 3
        assert [one.score for one in best] == sorted((one.score or 0.0 for one in best), reverse=True)
        for one in best:
            ended.append(one.tokens[-1:] == ["</s>"])
            ids = [*one.ids, TARGET.end] if ended[-1] else one.ids
            batch = collate([np.array(SOURCE.encode(text).ids)], [np.array(ids)], TARGET.start)
            with torch.no_grad():
                nats = -float(made.network.loss(batch).total)
            assert one.score == pytest.approx(nats / len(ids) ** penalty, abs=1e-5)
            assert len(one.tokens) == len(ids)
    assert any(ended)


def test_a_text_that_is_too_long_is_refused(model):
    made = model(SOME["gru"])
    with pytest.raises(AnamnesisError) as caught:
        made.translate(["the cat", "cat " * 10_000], 5)
    assert str(caught.value) == "text 2 has 10,001 tokens; allowed: at most 1,000; cut it into sentences"


@pytest.mark.parametrize(("beam", "n_best", "said"), [(0, 1, "beam: found 0"), (101, 1, "beam: "), (2, 3, "n-best: ")])
def test_numbers_out_of_range_are_refused(model, beam, n_best, said):
    with pytest.raises(AnamnesisError, match=f"^{said}.*; allowed: from 1 to"):
        model(SOME["gru"]).translate(["the cat"], beam, n_best)


@pytest.mark.parametrize("beam", [1, 2])
def test_inputs_go_to_the_networks_device(model, monkeypatch, beam):
    made = model(SOME["gru"])
    made.network.to("meta")
    given = {}

    def encode(source, lengths):
        given.update(source=source, lengths=lengths)
        return made.network.decoder.initial_state(1), None

    def search(step, state, *more):
        return [[]]

    monkeypatch.setattr(made.network, "encode", encode)
    monkeypatch.setattr(translator, "search", search)
    made.translate(["the cat"], beam)
    # Packing needs the lengths on the CPU.
    devices = {name: value.device.type for name, value in given.items()}
    assert devices == {"source": "meta", "lengths": "cpu"}


@pytest.mark.parametrize("settings", ATTENTIVE.values(), ids=ATTENTIVE)
def test_attention_is_that_of_the_network_token_by_token(model, settings):
    made = model(settings)
    for text, [found] in zip(TEXTS[:3], made.translate(TEXTS[:3], 3), strict=True):
        shown = attention_map(made, text, found)
        ids = SOURCE.encode(text).ids
        assert (shown.source, shown.target) == (SOURCE.display(ids), found.tokens)
        assert shown.weights.shape == (len(found.tokens), len(ids))
        with torch.no_grad():
            state, memory = made.network.encode(torch.tensor(ids)[:, None], torch.tensor([len(ids)]))
            fed = None
            for token, row in zip([TARGET.start, *found.ids], shown.weights, strict=False):
                readout, state, weights = made.network.decode(torch.tensor([[token]]), state, memory, fed)
                fed = readout[0]
                np.testing.assert_allclose(row, weights[0, 0], atol=1e-5)


def test_attention_of_empty_and_too_long_texts_and_of_networks_without(model):
    made = model(ATTENTIVE["additive-gru-1"])
    texts = ["the cat runs.", " "]
    best = [found[0] for found in made.translate(texts, 2)]
    first, empty = heatmap.attention_maps(made, texts, best)
    assert empty is None
    np.testing.assert_array_equal(first.weights, attention_map(made, texts[0], best[0]).weights)
    long = "cat " * heatmap.LONGEST
    with pytest.raises(AnamnesisError, match=r"^attention: text 2 or its translation has 1[0-9]\d tokens; allowed"):
        heatmap.attention_maps(made, [texts[0], long], [best[0], best[0]])
    with pytest.raises(AnamnesisError, match=r"^mine has no attention to show$"):
        attention_map(model(SEQ2SEQ["gru-1"]), "the cat", best[0])


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_batches_are_as_large_as_the_device_allows(model, device):
    made = model(SOME["gru"])
    made.network.to(device)
    width, lengths = 5, [*[3] * 1100, *range(4, 40), 1000, 2, 2, 6]
    groups = list(made._groups(list(range(len(lengths))), lengths, width))
    assert [*itertools.chain(*groups)] == list(range(len(lengths)))

    def fits(group):
        cells = len(group) * width * max(lengths[index] for index in group)
        if device == "cpu":
            return len(group) <= translator.BATCH
        return len(group) <= translator.GPU_BATCH and (cells <= translator.GPU_CELLS or len(group) == 1)

    assert all(map(fits, groups))
    assert not any(fits([*group, after[0]]) for group, after in itertools.pairwise(groups))
    assert max(map(len, groups)) == (translator.BATCH if device == "cpu" else translator.GPU_BATCH)
