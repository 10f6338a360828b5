"""Stores of pairs in words and in subwords, and networks small enough for milliseconds."""

import csv
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from anamnesis.data.stores import store
from anamnesis.data.tokenizers.settings import Tokens
from anamnesis.tasks.translation.model.network import EncoderDecoder
from anamnesis.tasks.translation.settings import Model

WORDS = {
    "the": "de", "a": "een", "big": "grote", "small": "kleine", "cat": "kat", "dog": "hond", "bird": "vögel",
    "sees": "ziet", "eats": "eet", "calls": "roept",
}  # fmt: skip
STORES = {
    "words": {"kind": "word-pairs"},
    "subwords": {"kind": "subword-pairs", "size": 280},
    "separate": {"kind": "subword-pairs", "size": 280, "shared": False},
}
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


def sentences(number: int, seed: int) -> list[tuple[str, str]]:
    """Pairs of 1 to 12 words, translated word by word."""
    chance = random.Random(seed)

    def phrase() -> list[str]:
        adjectives = chance.sample(("big", "small"), chance.randint(0, 2))
        return [chance.choice(("the", "a")), *adjectives, chance.choice(("cat", "dog", "bird"))]

    pairs = []
    for _ in range(number):
        words = phrase()
        for _ in range(chance.randint(0, 2)):
            words += [chance.choice(("sees", "eats", "calls")), *phrase()]
        pairs.append((" ".join(words) + ".", " ".join(WORDS[word] for word in words) + "."))
    return pairs


def write_store(root: Path, name: str, splits: dict[str, list[tuple[str, str]]], **entry: Any) -> Path:
    """Write data/tokens/NAME and return its path."""
    sources = {}
    for split, pairs in splits.items():
        sources[split] = root / f"{split}.csv"
        with open(sources[split], "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("source", "target", "origin"), *((*pair, "test") for pair in pairs)])
    settings: Tokens = TypeAdapter(Tokens).validate_python({"corpus": "small", **entry})
    store.write(root / "data" / "tokens" / name, settings, sources)
    return root / "data" / "tokens" / name


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder data/tokens with each of `STORES`."""
    root = tmp_path_factory.mktemp("project")
    splits = {"train": sentences(60, 1), "valid": sentences(12, 2), "test": sentences(15, 3)}
    for name, entry in STORES.items():
        write_store(root, name, splits, **entry)
    return root / "data" / "tokens"


@pytest.fixture
def project(stores: Path, tmp_path: Path) -> Path:
    """A new project folder that shares the token stores."""
    (tmp_path / "data").symlink_to(stores.parent)
    return tmp_path


@pytest.fixture(scope="session")
def network() -> Callable[..., EncoderDecoder]:
    """network(settings, source, target, scale, ...): in evaluation mode, with weights so large that tokens differ."""

    def make(
        settings: dict[str, Any], source: int = 11, target: int = 13, scale: float = 0.6, **more: Any
    ) -> EncoderDecoder:
        torch.manual_seed(5)
        content = {"hidden": 6, "tied": "none", **settings, **more}
        result = EncoderDecoder(TypeAdapter(Model).validate_python(content), source, target)
        for parameter in result.parameters():
            torch.nn.init.normal_(parameter, std=scale)
        return result.eval()

    return make
