"""Networks small enough for milliseconds, and token stores of pairs."""

import csv

import pytest
import torch
from pydantic import TypeAdapter

from anamnesis.data.stores import store
from anamnesis.data.tokenizers.settings import Tokens
from anamnesis.tasks.translation.model.network import EncoderDecoder
from anamnesis.tasks.translation.settings import Model

SEQ2SEQ = {
    f"{cell}-{layers}{'-reversed' * reverse}": {
        "architecture": "seq2seq", "cell": cell, "layers": layers, "reverse": reverse
    }
    for cell, layers, reverse in (("rnn", 1, False), ("gru", 1, False), ("gru", 2, True), ("lstm", 2, True))
}  # fmt: skip
ATTENTIVE = {
    f"{attention}-{cell}-{layers}{'-feeding' * feeding}": {
        "architecture": "attention", "cell": cell, "layers": layers, "attention": attention, "input_feeding": feeding
    }
    for attention in ("additive", "multiplicative")
    for cell, layers in (("rnn", 1), ("gru", 1), ("lstm", 2))
    for feeding in (False, True)
}  # fmt: skip
NETWORKS = SEQ2SEQ | ATTENTIVE


def write_store(root, name, pairs, **entry):
    """Write data/tokens/NAME, with these pairs in every split, and return its path."""
    with open(root / "pairs.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("source", "target", "origin"), *((*pair, "test") for pair in pairs)])
    settings = TypeAdapter(Tokens).validate_python({"corpus": "small", **entry})
    store.write(root / "data" / "tokens" / name, settings, dict.fromkeys(store.SPLITS, root / "pairs.csv"))
    return root / "data" / "tokens" / name


@pytest.fixture(scope="session")
def network():
    """network(settings, source, target, scale, ...): in evaluation mode, with weights so large that tokens differ."""

    def make(settings, source=11, target=13, scale=0.6, **more):
        torch.manual_seed(5)
        content = {"hidden": 6, "tied": "none", **settings, **more}
        result = EncoderDecoder(TypeAdapter(Model).validate_python(content), source, target)
        for parameter in result.parameters():
            torch.nn.init.normal_(parameter, std=scale)
        return result.eval()

    return make
