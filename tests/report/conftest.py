"""A project folder with made-up results of several corpora, written as the earlier stages write theirs."""

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

CORPORA = {
    "sherlock": ("characters", None, "It was "),
    "novel": ("words", None, "it is a truth"),
    "sanguo": ("words", "zh", "却说曹操"),
    "hello": ("characters", None, "h"),
}
TEXTS = {
    "sherlock": 'the door of the room, and I saw that he was "all <right>" & well.\nHolmes said nothing.',
    "novel": "universally acknowledged , that a <unk> man in possession of a good <unk> must be in want of a wife .",
    "sanguo": "引军至城下，<unk>见城上旗号，大惊曰：“吾中计矣！”急回马时，背后喊声大起。玄德与关、张商议进兵之策。",
    "hello": "ello",
}
STRATEGIES = ("greedy", "temperature 0.7", "top-k 10")


@dataclass(frozen=True)
class Made:
    """One made-up experiment; `bits` are validation and test."""

    name: str
    corpus: str
    architecture: str
    parameters: int
    bits: tuple[float, float]
    epochs: int = 0

    @property
    def baseline(self) -> bool:
        return self.architecture in ("uniform", "ngram")


# On sherlock the order by test differs from the order by validation; on novel a baseline wins.
MADE = (
    Made("sherlock-uniform", "sherlock", "uniform", 0, (6.31, 6.31)),
    Made("sherlock-ngram5", "sherlock", "ngram", 412_345, (2.27, 2.29)),
    Made("sherlock-rnn", "sherlock", "rnn", 75_123, (2.24, 2.26), 10),
    Made("sherlock-gru", "sherlock", "gru", 200_301, (2.02, 2.15), 12),
    Made("sherlock-lstm", "sherlock", "lstm", 262_501, (2.06, 2.09), 20),
    Made("sherlock-lstm-windows", "sherlock", "lstm", 262_501, (2.41, 2.44), 6),
    Made("novel-ngram3", "novel", "ngram", 91_234, (1.61, 1.66)),
    Made("novel-lstm", "novel", "lstm", 2_345_678, (1.70, 1.74), 8),
    Made("sanguo-ngram3", "sanguo", "ngram", 188_000, (5.9, 6.0)),
    Made("sanguo-lstm", "sanguo", "lstm", 3_456_789, (5.5, 5.6), 9),
    Made("hello-rnn", "hello", "rnn", 93, (0.02, 0.02), 40),
)
# How many characters a token has, by which bits per character become perplexity.
LENGTHS = {"sherlock": 1.0, "novel": 4.6, "sanguo": 1.5, "hello": 1.0}


def write(root: Path, made: tuple[Made, ...] = MADE, without: tuple[str, ...] = ()) -> Path:
    """Write params.yaml, metrics/ and predictions/ for these experiments, no results for those in `without`."""
    corpora = dict.fromkeys(entry.corpus for entry in made)
    params = {
        "profile": "laptop",
        "corpora": {name: {"source": {"kind": "literal", "text": "hello hello"}, "reader": "text"} for name in corpora},
        "tokens": {
            f"{name}-{CORPORA[name][0]}": {"corpus": name, "kind": CORPORA[name][0]}
            | ({"language": CORPORA[name][1]} if CORPORA[name][1] else {})
            for name in corpora
        },
        "experiments": {entry.name: _settings(entry) for entry in made},
    }
    root.mkdir(parents=True, exist_ok=True)
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False, allow_unicode=True), encoding="utf-8")
    for entry in made:
        if entry.name not in without:
            _results(root, entry)
    return root


def changed(name: str, **changes: object) -> tuple[Made, ...]:
    """The made-up experiments with one of them changed."""
    return tuple(replace(entry, **changes) if entry.name == name else entry for entry in MADE)


def _settings(entry: Made) -> dict:
    model: dict = {"architecture": entry.architecture}
    if entry.architecture == "ngram":
        model["order"] = 3
    if entry.baseline:
        return {"task": "language", "tokens": f"{entry.corpus}-{CORPORA[entry.corpus][0]}", "model": model}
    return {
        "task": "language",
        "tokens": f"{entry.corpus}-{CORPORA[entry.corpus][0]}",
        "model": model | {"hidden": 128},
        "training": {"epochs": entry.epochs, "learning_rate": 0.002},
    }


def _scores(entry: Made, bits: float) -> dict:
    accuracy = 0.9 / (1 + bits)
    return {
        "perplexity": _round(2 ** (bits * LENGTHS[entry.corpus])),
        "bits_per_character": bits,
        "accuracy": _round(accuracy),
        "top5_accuracy": _round(min(1.0, 1.6 * accuracy)),
        "targets": 28_000,
    }


def _results(root: Path, entry: Made) -> None:
    kind, _, prompt = CORPORA[entry.corpus]
    metrics = {
        "experiment": entry.name,
        "task": "language",
        "corpus": entry.corpus,
        "tokens": f"{entry.corpus}-{kind}",
        "architecture": entry.architecture,
        "parameters": entry.parameters,
        "fingerprint": "0" * 64,
        "data": {"valid": "1" * 64, "test": "2" * 64},
        "valid": _scores(entry, entry.bits[0]),
        "test": _scores(entry, entry.bits[1]),
    }
    (root / "metrics").mkdir(exist_ok=True)
    (root / "metrics" / f"{entry.name}.json").write_text(json.dumps(metrics, indent=2), encoding="utf-8")
    folder = root / "predictions" / entry.name
    folder.mkdir(parents=True, exist_ok=True)
    texts = [{"prompt": prompt, "strategy": strategy, "text": TEXTS[entry.corpus]} for strategy in STRATEGIES]
    (folder / "samples.json").write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")
    final = metrics["valid"]["perplexity"]
    with open(folder / "curve.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["experiment", "epoch", "learning_rate", "train_perplexity", "valid_perplexity", "valid_bits_per_character"]
        )
        if entry.baseline:
            writer.writerow([entry.name, 0, "", _round(0.6 * final), final, entry.bits[0]])
        for epoch in range(1, entry.epochs + 1):
            valid = 1 + (final - 1) * (1 + 1.8 * 0.68**epoch + 0.004 * max(0, epoch - 12))
            train = 1 + (final - 1) * (0.88 + 2.9 * 0.62**epoch)
            writer.writerow([entry.name, epoch, 0.002, _round(train), _round(valid), entry.bits[0]])


def _round(value: float) -> float:
    return float(f"{value:.6g}")


@pytest.fixture(scope="session")
def made() -> SimpleNamespace:
    """`made.write(root, experiments, without)` writes a project folder; `made.ALL` and `made.changed(name, ...)`."""
    return SimpleNamespace(write=write, changed=changed, ALL=MADE)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all made-up results, compared; tests read it and leave it as it is."""
    from anamnesis.report.compare import compare

    root = write(tmp_path_factory.mktemp("project"))
    compare(root)
    return root
