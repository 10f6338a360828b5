"""A small project folder with a token store for every task, and experiments of every task that train in moments.

Every test of this folder has a `device`: `cuda` is skipped where there is none, and `cpu` shows that the test itself is
right.
"""

import csv
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

# Before anything is computed on a GPU, where it makes matrix products reproducible.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import numpy as np
import pytest
import torch
from listener import Recorder
from pydantic import TypeAdapter

from anamnesis.data.stores import store
from anamnesis.data.stores.images import COLUMNS
from anamnesis.data.tokenizers.settings import Tokens
from anamnesis.params import Experiment

TOKENS: dict[str, dict[str, Any]] = {
    "characters": {"kind": "characters"},
    "words": {"kind": "words", "minimum_count": 2},
    "documents": {"kind": "words"},
    "passages": {"kind": "characters"},
    "pairs": {"kind": "word-pairs"},
    "images": {"kind": "images"},
    "series": {"kind": "series"},
}
DUTCH = {
    "the": "de", "a": "een", "cat": "kat", "dog": "hond", "bird": "vogel",
    "sees": "ziet", "eats": "eet", "calls": "roept", "big": "grote", "small": "kleine",
}  # fmt: skip
ENGLISH = list(DUTCH)
LABELS = {"grain": ["wheat", "corn"], "crude": ["oil", "barrel"], "ship": ["port", "vessel"]}
STREAMS = {"kind": "streams", "batch": 8, "steps": 25}
BLOCKS: dict[str, dict[str, Any]] = {
    "language": {"task": "language", "objective": "next-token", "tokens": "characters", "batches": STREAMS},
    "words": {"task": "language", "objective": "next-token", "tokens": "words", "batches": STREAMS},
    "cloze": {"task": "language", "objective": "cloze", "tokens": "words", "batch": 16, "sentences": 2},
    "numbers": {"task": "language", "objective": "word-number", "tokens": "words", "batch": 64, "length": 5},
    "passage": {"task": "language", "objective": "passage", "tokens": "passages", "batch": 16, "start": "language-gru"},
    "translation": {"task": "translation", "tokens": "pairs", "batch": 100},
    "documents": {"task": "classification", "reads": "documents", "tokens": "documents", "batch": 8, "length": 9},
    "videos": {"task": "classification", "reads": "videos", "tokens": "images", "batch": 10},
    "captioning": {"task": "captioning", "tokens": "images", "batch": 8},
    "forecasting": {"task": "forecasting", "tokens": "series", "batch": 16, "steps": 7},
}
FILMS = {"frames": 4, "size": 14, "train": 60, "valid": 20, "test": 20}
ROWS = {"train": 60, "valid": 20, "test": 20}
DROPOUT = {"hidden": 12, "dropout": 0.1}
CONTEXT = {"architecture": "scrn", "hidden": 12, "context": 10, "alpha": 0.9, "layers": 2}
# Block, model, and what else differs. Every network, loader and softmax is there, and every kind of layer.
NETWORKS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "language-lstm": ("language", {"architecture": "lstm", "layers": 2, **DROPOUT}, {}),
    "language-gru": ("language", {"architecture": "gru", "hidden": 12, "norm": "layer", "layers": 2}, {}),
    "language-rnn": ("language", {"architecture": "rnn", "hidden": 12, "norm": "batch", "residual": True}, {}),
    "language-relu": ("language", {"architecture": "rnn-relu", "hidden": 12}, {}),
    "language-gates": ("language", {"architecture": "lstm-gates", "hidden": 12, "layers": 2}, {}),
    "language-scrn": ("language", {**CONTEXT, "learned_alpha": True, "feed": "previous"}, {}),
    "language-scrn-tanh": ("language", {**CONTEXT, "activation": "tanh", "norm": "layer"}, {}),
    "language-windows": (
        "language",
        {"architecture": "gru", "hidden": 12},
        {"batches": {"kind": "windows", "batch": 64, "length": 10, "step": 3}},
    ),
    "language-adaptive": ("words", {"architecture": "lstm", "softmax": "adaptive", "hidden": 12}, {}),
    "cloze": ("cloze", {"architecture": "lstm", "direction": "both", "hidden": 12, "dropout": 0.1}, {}),
    "cloze-adaptive": (
        "cloze",
        {"architecture": "gru", "direction": "left", "hidden": 12, "softmax": "adaptive"},
        {},
    ),
    "numbers": ("numbers", {"architecture": "fc", "window": 3, "hidden": 8}, {}),
    "passage": ("passage", {"architecture": "states", "hidden": 8, "summary": "both", "finetune": True}, {}),
    "translation-attention": (
        "translation",
        {"architecture": "attention", "cell": "gru", "label_smoothing": 0.1, **DROPOUT},
        {},
    ),
    "translation-feeding": (
        "translation",
        {"architecture": "attention", "cell": "lstm", "attention": "multiplicative", "input_feeding": True, **DROPOUT},
        {},
    ),
    "translation-reverse": (
        "translation",
        {"architecture": "seq2seq", "cell": "lstm", "layers": 2, "embedding": 10, "reverse": True, **DROPOUT},
        {},
    ),
    "documents-birnn": (
        "documents",
        {"architecture": "birnn", "cell": "lstm", "layers": 2, "embedding": 8, **DROPOUT},
        {"padding": "packed"},
    ),
    "documents-cnn": (
        "documents",
        {"architecture": "cnn-lstm", "channels": 5, "summary": "max", "embedding": 8, **DROPOUT},
        {"padding": "packed"},
    ),
    "documents-lstm": (
        "documents",
        {"architecture": "lstm", "summary": "mean", "embedding": 8, "norm": "batch", **DROPOUT},
        {},
    ),
    "videos": (
        "videos",
        {"architecture": "cnn-lstm", "channels": 2, "features": 8, **DROPOUT},
        {"videos": FILMS},
    ),
    "captioning": (
        "captioning",
        {"architecture": "cnn-gru", "channels": 2, "embedding": 4, **DROPOUT},
        {"rows": ROWS},
    ),
    "forecasting-fc": ("forecasting", {"architecture": "fc", "window": 4, "hidden": 5}, {}),
    "forecasting-lstm": ("forecasting", {"architecture": "lstm", "window": 4, "hidden": 5}, {}),
}

Train = Callable[..., Path]


def settings(name: str, device: str, precision: str = "32-true", **training: Any) -> Any:
    """The experiment `name` of NETWORKS, one epoch on `device`."""
    block, model, more = NETWORKS[name]
    content = {
        **BLOCKS[block],
        **({"sampling": {"length": 10}} if name.startswith("language") else {}),
        "model": model,
        **more,
        "training": {"epochs": 1, "learning_rate": 0.001, **training},
        "trainer": {"accelerator": "gpu" if device == "cuda" else "cpu", "precision": precision},
    }
    found: Any = TypeAdapter(Experiment).validate_python(content)
    return found


def train(name: str, experiment: Any, root: Path) -> Path:
    """The train stage of `experiment`, on the machine that its settings name; the folder of the model."""
    from importlib import import_module

    import_module(f"anamnesis.{experiment.task}.train").train(name, experiment, root, Recorder())
    return root / "models" / name


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    # Networks as small as these only wait for other threads.
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    # The trainer leaves it on for the whole process.
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(
    params=["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]
)
def device(request: pytest.FixtureRequest) -> str:
    """Where the test computes: cpu, and cuda where there is one."""
    return str(request.param)


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/tokens/NAME for each of TOKENS, and a language model for experiments that begin with one."""
    root = tmp_path_factory.mktemp("project")
    chance, noise = random.Random(1), np.random.default_rng(1)
    text = "".join(topics[name] for name in sorted(topics))
    start = 0
    for split, size in (("train", 4500), ("valid", 1500), ("test", 1500)):
        (root / f"{split}.txt").write_text(text[start : start + size], encoding="utf-8")
        start += size
        count = size // 100
        documents = []
        for index in range(count):
            label = list(LABELS)[index % 3]
            words = [*chance.choices(ENGLISH, k=chance.randint(0, 11)), chance.choice(LABELS[label])]
            documents.append((label, " ".join(chance.sample(words, len(words)))))
        sentences = [chance.choices(ENGLISH, k=chance.randint(1, 9)) for _ in range(count)]
        pairs = [(" ".join(words), " ".join(DUTCH[word] for word in words), "made") for words in sentences]
        pixels = noise.integers(17, size=(10 * (1 + count // 30), 64))
        digits = np.arange(len(pixels)) % 10
        # The ink tells the digit.
        images = np.column_stack([pixels * (np.arange(64) < 6 * (digits[:, None] + 1)), digits])
        time = np.arange(count) + start
        values = np.round(40 + 9 * np.sin(time / 4) + noise.normal(0, 1, count), 3)
        table(root / f"{split}-documents.csv", ("label", "text"), documents)
        table(root / f"{split}-pairs.csv", ("source", "target", "origin"), pairs)
        table(root / f"{split}-images.csv", COLUMNS, images.tolist())
        table(root / f"{split}-series.csv", ("time", "value"), list(zip(time.tolist(), values.tolist(), strict=True)))
    kinds = {"passages": "-documents.csv", "characters": ".txt", "words": ".txt"}
    for name, entry in TOKENS.items():
        made: Tokens = TypeAdapter(Tokens).validate_python({"corpus": "made", **entry})
        ending = kinds.get(name, f"-{name}.csv")
        sources = {split: root / f"{split}{ending}" for split in ("train", "valid", "test")}
        store.write(root / "data" / "tokens" / name, made, sources)
    train("language-gru", settings("language-gru", "cpu"), root)
    return root


def table(path: Path, columns: Any, rows: Any) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])


@pytest.fixture
def projects(stores: Path, tmp_path: Path) -> Callable[[str], Path]:
    """projects(NAME): a fresh project folder with the token stores, and the model to start from."""

    def make(name: str) -> Path:
        root = tmp_path / name
        (root / "models").mkdir(parents=True)
        (root / "data").symlink_to(stores / "data")
        (root / "models" / "language-gru").symlink_to(stores / "models" / "language-gru")
        return root

    return make
