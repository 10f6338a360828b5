"""A small experiment for every task and architecture, token stores for them, and a project folder that holds both."""

import csv
import json
import random
from functools import cache
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
from listener import Recorder
from pydantic import TypeAdapter
from settings_files import write_settings

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
SPLITS = {"train": 4500, "valid": 1500, "test": 1500}

BLOCKS: dict[str, dict[str, Any]] = {
    "language": {
        "task": "language",
        "tokens": "characters",
        "batches": {"kind": "streams", "batch": 8, "steps": 25},
        "sampling": {"length": 10},
    },
    "cloze": {"task": "cloze", "tokens": "words", "batch": 8, "sentences": 2},
    "classification": {"task": "classification", "tokens": "documents", "batch": 8},
    "passages": {"task": "classification", "tokens": "passages", "batch": 10},
    "video": {
        "task": "video",
        "tokens": "images",
        "batch": 10,
        "videos": {"frames": 4, "size": 14, "train": 60, "valid": 20, "test": 20},
    },
    "captioning": {
        "task": "captioning",
        "tokens": "images",
        "batch": 8,
        "images": {"shortest": 1, "longest": 2, "train": 60, "valid": 20, "test": 20},
        "search": {"beam": 2},
    },
    "translation": {"task": "translation", "tokens": "pairs", "batch": 100, "search": {"beam": 2}},
    "forecasting": {"task": "forecasting", "tokens": "series", "batch": 8, "steps": 7},
    "numbers": {"task": "forecasting", "series": "words", "tokens": "words", "batch": 64, "steps": 5},
    "memory": {
        "task": "memory",
        "tokens": "characters",
        "parameters": 1000,
        "features": 8,
        "text": {"unroll": 25, "length": 6, "segments": 3},
        "recall": {"lags": [2, 3], "seeds": 1, "steps": 20, "check": 10, "sequences": 20, "alphabet": 2},
    },
}
TRAINING = {"epochs": 2, "learning_rate": 0.01, "checkpoint_steps": 3}

DROPOUT = {"hidden": 12, "dropout": 0.1}
SCRN = {"architecture": "scrn", "hidden": 12, "context": 10, "alpha": 0.9, "layers": 2}
WORDS = {"embedding": 8, "length": 9, **DROPOUT}

# Block, model, and further keys. Every network, loader and softmax is here, and every kind of layer.
NETWORKS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "language-rnn": ("language", {"architecture": "rnn", "hidden": 12, "norm": "batch", "residual": True}, {}),
    "language-rnn-relu": ("language", {"architecture": "rnn-relu", "hidden": 12}, {}),
    "language-irnn": ("language", {"architecture": "irnn", "hidden": 12}, {}),
    "language-gru": ("language", {"architecture": "gru", "hidden": 12, "norm": "layer", "layers": 2}, {}),
    "language-lstm": ("language", {"architecture": "lstm", "layers": 2, **DROPOUT}, {}),
    "language-lstm-gates": ("language", {"architecture": "lstm-gates", "hidden": 12, "layers": 2}, {}),
    "language-scrn": ("language", {**SCRN, "learned_alpha": True, "feed": "previous"}, {}),
    "language-scrn-tanh": ("language", {**SCRN, "activation": "tanh", "norm": "layer"}, {}),
    "language-windows": (
        "language",
        {"architecture": "gru", "hidden": 12, "tied": True},
        {"batches": {"kind": "windows", "batch": 64, "length": 10, "step": 3}},
    ),
    "language-adaptive": (
        "language",
        {"architecture": "lstm", "softmax": "adaptive", "hidden": 12},
        {"tokens": "words"},
    ),
    "language-tuned": ("language", {"architecture": "lstm", "layers": 2, **DROPOUT}, {"needs": "models/language-lstm"}),
    "cloze-lstm": ("cloze", {"architecture": "lstm", "direction": "both", **DROPOUT}, {}),
    "cloze-adaptive": (
        "cloze",
        {"architecture": "gru", "direction": "left", "hidden": 12, "softmax": "adaptive"},
        {},
    ),
    "classification-lstm": (
        "classification",
        {"architecture": "lstm", "summary": "mean", "norm": "batch", **WORDS},
        {},
    ),
    "classification-birnn": (
        "classification",
        {"architecture": "birnn", "cell": "lstm", "layers": 2, "padding": "packed", **WORDS},
        {},
    ),
    "classification-cnn-lstm": (
        "classification",
        {"architecture": "cnn-lstm", "channels": 5, "summary": "max", "padding": "packed", **WORDS},
        {},
    ),
    "classification-histogram": ("passages", {"architecture": "histogram"}, {}),
    "classification-encoder": (
        "passages",
        {"architecture": "language-model", "hidden": 8, "dropout": 0.1},
        {"needs": "models/language-gru"},
    ),
    "classification-finetuned": (
        "passages",
        {"architecture": "language-model", "hidden": 8, "summary": "both", "finetune": True, "longest": 40},
        {"needs": "models/language-gru"},
    ),
    "video-cnn-lstm": ("video", {"architecture": "cnn-lstm", "channels": 2, "features": 8, **DROPOUT}, {}),
    "video-cnn": ("video", {"architecture": "cnn", "channels": 2, "features": 8, "dropout": 0.1}, {}),
    "video-lstm": ("video", {"architecture": "lstm", **DROPOUT}, {}),
    "captioning-rnn": ("captioning", {"architecture": "cnn-rnn", "channels": 2, "embedding": 4, **DROPOUT}, {}),
    "captioning-gru": ("captioning", {"architecture": "cnn-gru", "channels": 2, "embedding": 4, **DROPOUT}, {}),
    "captioning-lstm": ("captioning", {"architecture": "cnn-lstm", "channels": 2, "embedding": 4, **DROPOUT}, {}),
    "translation-seq2seq": (
        "translation",
        {"architecture": "seq2seq", "layers": 2, "embedding": 10, "reverse": True, **DROPOUT},
        {},
    ),
    "translation-attention": (
        "translation",
        {"architecture": "attention", "cell": "gru", "label_smoothing": 0.1, **DROPOUT},
        {},
    ),
    "translation-feeding": (
        "translation",
        {"architecture": "attention", "attention": "multiplicative", "input_feeding": True, **DROPOUT},
        {},
    ),
    "forecasting-fc": ("forecasting", {"architecture": "fc", "window": 4, "hidden": 5}, {}),
    "forecasting-lstm": ("forecasting", {"architecture": "lstm", "window": 4, "hidden": 5}, {}),
    "numbers-fc": ("numbers", {"architecture": "fc", "window": 3, "hidden": 8}, {}),
}
# Models that their task fits without gradients, or by a loop of its own.
FITTED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "language-uniform": ("language", {"architecture": "uniform"}, {}),
    "language-ngram": ("language", {"architecture": "ngram", "order": 3}, {}),
    "language-untouched": (
        "language",
        {"architecture": "lstm", "layers": 2, **DROPOUT},
        {"needs": "models/language-lstm"},
    ),
    "cloze-unigram": ("cloze", {"architecture": "unigram"}, {}),
    "classification-tfidf": ("classification", {"architecture": "tfidf"}, {}),
    "captioning-nearest": ("captioning", {"architecture": "nearest"}, {}),
    "translation-copy": ("translation", {"architecture": "copy"}, {}),
    "translation-nearest": ("translation", {"architecture": "nearest"}, {}),
    "forecasting-last": ("forecasting", {"architecture": "last"}, {}),
    "forecasting-average": ("forecasting", {"architecture": "average", "window": 4}, {}),
    "forecasting-ar": ("forecasting", {"architecture": "ar", "window": 4}, {}),
    "numbers-mean": ("numbers", {"architecture": "mean", "window": 3}, {}),
    "memory-gru": ("memory", {"architecture": "gru"}, {"training": {"batch": 16, "learning_rate": 0.01}}),
}
TOYS = NETWORKS | FITTED
TASKS = {name: BLOCKS[block]["task"] for name, (block, _, _) in TOYS.items()}


def settings(name: str, **changes: Any) -> Any:
    """The settings of a toy; a block in `changes` is merged with the toy's, unless it states its kind."""
    block, model, more = TOYS[name]
    content = {**BLOCKS[block], "model": model, **more}
    if name in NETWORKS:
        content["training"] = TRAINING
    for key, value in changes.items():
        merge = isinstance(value, dict) and "kind" not in value
        content[key] = {**content.get(key, {}), **value} if merge else value
    return TypeAdapter(Experiment).validate_python(content)


def train(name: str, root: Path, watch: Any = None, experiment: Any = None) -> Path:
    """The folder models/NAME, after the train stage."""
    from anamnesis.stages import train as stage

    stage.train(name, experiment or settings(name), root, watch or Recorder())
    return root / "models" / name


def plan(name: str, root: Path, experiment: Any = None) -> Any:
    """What the task gives to the train stage."""
    from anamnesis import tasks
    from anamnesis.training.plan import Job

    job = Job(name, experiment or settings(name), root, "digest", root / "unfinished.ckpt", Recorder())
    return tasks.part(job.experiment.task, "model.training").plan_training(job)


def evaluate(name: str, root: Path) -> None:
    """Run the evaluate stage."""
    from anamnesis.stages import evaluate as stage

    stage.evaluate(name, root)


READERS = {"documents": "documents", "passages": "documents", "pairs": "pairs", "images": "digits", "series": "series"}


def write_params(root: Path, experiments: dict[str, Any]) -> None:
    """Write the settings of a project with experiments on the token stores, for stages and commands."""
    source = {"kind": "file", "path": "own.csv"}
    content: dict[str, Any] = {
        "profile": "laptop",
        "corpora": {},
        "own_corpora": {name: {"reader": READERS.get(name, "text"), "source": source} for name in TOKENS},
        "tokens": {name: {"corpus": name, **entry} for name, entry in TOKENS.items()},
        "experiments": {},
        "dependent": {},
    }
    for name, entry in experiments.items():
        content["dependent" if entry.get("needs") else "experiments"][name] = entry
    write_settings(root, content)
    (root / "dvc.yaml").write_text("stages: {}\n")


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def scores(root: Path, name: str) -> Any:
    """The metrics of an experiment."""
    return json.loads((root / "metrics" / f"{name}.json").read_text(encoding="utf-8"))


class Toys:
    """Toys that are trained and evaluated when a test first asks for them.

    Args:
        root: becomes a project folder with the token stores and the settings of all toys.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        write_stores(root)
        write_params(root, {name: settings(name).model_dump(mode="json", exclude_unset=True) for name in TOYS})
        self.model = cache(self._model)
        self.loaded = cache(self._loaded)

    def _model(self, name: str) -> Path:
        """The folder of the trained model; its metrics and predictions stand beside it."""
        self.link_needed(name, self.root)
        folder = train(name, self.root)
        evaluate(name, self.root)
        return folder

    def _loaded(self, name: str) -> Any:
        """The loaded model."""
        from anamnesis import models

        return models.load(self.model(name))

    def results(self, name: str) -> tuple[Any, Any, Path]:
        """The loaded model, its metrics, and the folder of its predictions."""
        return self.loaded(name), scores(self.root, name), self.root / "predictions" / name

    def tokens(self, name: str) -> Path:
        """The token store of a toy."""
        folder: Path = self.root / "data" / "tokens" / settings(name).tokens
        return folder

    def link_needed(self, name: str, root: Path) -> None:
        """Train the model that a toy needs, and link it into the project folder `root`."""
        if needed := settings(name).needed_model:
            source, link = self.model(needed), root / "models" / needed
            if not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(source)

    def project(self, name: str, root: Path) -> Path:
        """`root` as a fresh project folder, with the token stores and the model that the toy needs."""
        root.mkdir(exist_ok=True)
        (root / "data").symlink_to(self.root / "data")
        self.link_needed(name, root)
        return root


# --- token stores

DUTCH = {
    "the": "de", "a": "een", "cat": "kat", "dog": "hond", "bird": "vogel",
    "sees": "ziet", "eats": "eet", "calls": "roept", "big": "grote", "small": "kleine",
}  # fmt: skip
ENGLISH = list(DUTCH)
LABELS = {"grain": ["wheat", "corn"], "crude": ["oil", "barrel"], "ship": ["port", "vessel"]}


def write_stores(root: Path) -> None:
    """Write data/tokens/NAME for each of TOKENS."""
    chance, noise = random.Random(1), np.random.default_rng(1)
    text = "".join(topics[name] for name in sorted(topics))
    raw = root / "raw"
    raw.mkdir(parents=True)
    start = 0
    for split, size in SPLITS.items():
        count = size // 100
        (raw / f"{split}.txt").write_text(text[start : start + size], encoding="utf-8")
        start += size
        documents = []
        for number in range(count):
            label = list(LABELS)[number % len(LABELS)]
            words = [*chance.choices(ENGLISH, k=chance.randint(0, 11)), chance.choice(LABELS[label])]
            documents.append((label, " ".join(chance.sample(words, len(words)))))
        sentences = [chance.choices(ENGLISH, k=chance.randint(1, 9)) for _ in range(count)]
        pairs = [(" ".join(words), " ".join(DUTCH[word] for word in words), "toy") for words in sentences]
        pixels = noise.integers(17, size=(10 * (1 + count // 30), 64))
        digits = np.arange(len(pixels)) % 10
        # The amount of ink shows the digit.
        images = np.column_stack([pixels * (np.arange(64) < 6 * (digits[:, None] + 1)), digits])
        time = np.arange(count) + start
        values = np.round(40 + 9 * np.sin(time / 4) + noise.normal(0, 1, count), 3)
        _write_csv(raw / f"{split}-documents.csv", ("label", "text"), documents)
        _write_csv(raw / f"{split}-pairs.csv", ("source", "target", "origin"), pairs)
        _write_csv(raw / f"{split}-images.csv", COLUMNS, images.tolist())
        _write_csv(raw / f"{split}-series.csv", ("time", "value"), zip(time.tolist(), values.tolist(), strict=True))
    endings = {"passages": "-documents.csv", "characters": ".txt", "words": ".txt"}
    for name, entry in TOKENS.items():
        tokens: Tokens = TypeAdapter(Tokens).validate_python({"corpus": "toy", **entry})
        sources = {split: raw / f"{split}{endings.get(name, f'-{name}.csv')}" for split in SPLITS}
        store.write(root / "data" / "tokens" / name, tokens, sources)


def _write_csv(path: Path, columns: Any, rows: Any) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
