"""Attention maps: the weights with which the network wrote a translation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from anamnesis.data.tokenizers import words
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation import heatmap
from anamnesis.tasks.translation.evaluation.attention import attention_map
from anamnesis.tasks.translation.model.languages import Language
from anamnesis.tasks.translation.model.translator import NetworkTranslator
from anamnesis.tasks.translation.settings import Search

from ..conftest import ATTENTIVE, SEQ2SEQ

SOURCE = Language(words.learn(["the cat sees a dog and runs."]))
TARGET = Language(words.learn(["de kat ziet een hond en rent weg."]))
TEXTS = ["the cat runs.", "a dog sees the cat and the cat sees a dog.", "runs"]


@pytest.fixture
def model(network: Callable[..., Any]) -> Callable[..., NetworkTranslator]:
    def make(settings: dict[str, Any]) -> NetworkTranslator:
        made = network(settings, SOURCE.size, TARGET.size, 1.0)
        return NetworkTranslator({"experiment": "mine"}, SOURCE, TARGET, made, Search(extra=3))

    return make


@pytest.mark.parametrize("settings", ATTENTIVE.values(), ids=ATTENTIVE)
def test_weights_are_those_of_the_network_token_by_token(
    model: Callable[..., NetworkTranslator], settings: dict[str, Any]
) -> None:
    made = model(settings)
    for text, [found] in zip(TEXTS, made.translate(TEXTS, 3), strict=True):
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
                assert weights is not None
                np.testing.assert_allclose(row, weights[0, 0], atol=1e-5)


def test_maps_of_empty_and_too_long_texts(model: Callable[..., NetworkTranslator]) -> None:
    made = model(ATTENTIVE["additive-gru-1"])
    texts = ["the cat runs.", " "]
    best = [found[0] for found in made.translate(texts, 2)]
    first, empty = heatmap.attention_maps(made, texts, best)
    assert empty is None
    assert first is not None
    np.testing.assert_array_equal(first.weights, attention_map(made, texts[0], best[0]).weights)
    long = "cat " * heatmap.LONGEST
    with pytest.raises(AnamnesisError, match=r"^attention: text 2 or its translation has 1[5-9]\d tokens; allowed"):
        heatmap.attention_maps(made, [texts[0], long], [best[0], best[0]])


def test_a_network_without_attention_is_refused(model: Callable[..., NetworkTranslator]) -> None:
    made = model(SEQ2SEQ["gru-1"])
    with pytest.raises(AnamnesisError, match=r"^mine has no attention to show$"):
        attention_map(made, "the cat", made.translate(["the cat"], 1)[0][0])
