"""A project folder with made-up results of several corpora, written as the earlier stages write theirs."""

import csv
import io
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from settings_files import write_settings

from anamnesis import params

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
QUESTION = {"asked": "the whole text", "valid": "3" * 64, "test": "4" * 64}
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
    content = {
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
    write_settings(root, content)
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
        "question": QUESTION,
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


CELLS = {
    # Span of copy and adding (low, median, high), and what a step multiplies the gradient by, before and after.
    "rnn": ((5, 10, 10), (0, 5, 10), 0.7, 0.9),
    "rnn-relu": ((0, 0, 5), (0, 0, 0), 0.6, 1.08),
    "irnn": ((10, 20, 40), (20, 40, 80), 0.99, 0.97),
    "gru": ((80, 160, 160), (40, 80, 160), 0.8, 0.97),
    "lstm": ((80, 160, 160), (160, 160, 160), 0.75, 0.985),
    "scrn": ((20, 40, 40), (10, 20, 40), 0.93, 0.95),
}
LABELS = ("andersen", "austen", "doyle", "grimm", "shakespeare")
NEWS = ("acq", "crude", "earn")
# Architecture, what is set otherwise than in news-lstm, and how many of 100 documents of each label are right.
CLASSIFIED: dict = {
    "news-tfidf": ("tfidf", {}, 85),
    "news-lstm-gates": ("lstm-gates", {}, 89),
    "news-lstm": ("lstm", {}, 90),
    "news-birnn": ("birnn", {"cell": "lstm"}, 95),
    "news-lstm-dropout": ("lstm", {"dropout": 0.3}, 92),
    "news-lstm-batchnorm": ("lstm", {"norm": "batch"}, 88),
    "news-lstm-residual": ("lstm", {"residual": True}, 90),
    "news-lstm-relu": ("lstm", {"dense": 64}, 91),
}
# Accuracy of digit, direction and both of each network for videos.
FILMS = {"videos-cnn-lstm": (0.985, 0.99, 0.975), "videos-cnn": (0.9, 0.14, 0.13), "videos-lstm": (0.62, 0.91, 0.57)}
# Of each captioner, exact match by number of digits.
CAPTIONED: dict = {
    "captions-nearest": ("nearest", (0.5, 0.2, 0.05)),
    "captions-gru": ("cnn-gru", (0.98, 0.96, 0.93)),
    "captions-lstm": ("cnn-lstm", (0.99, 0.97, 0.95)),
}
READINGS = ("three seven one", "two five", "zero nine nine eight", "four six", "one one", "eight zero two")
# Architecture and RMSE of each forecaster, by corpus.
FORECAST: dict = {
    "sines": {"sines-last": ("last", 0.4), "sines-ar": ("ar", 0.2), "sines-fc5": ("fc", 0.1)},
    "sunspots": {
        "sunspots-last": ("last", 21.0),
        "sunspots-fc5": ("fc", 18.5),
        "sunspots-lstm3": ("lstm", 18.25),
    },
}
CLOZE = {"novel-cloze-rnn": ("left", 0.14), "novel-cloze-birnn": ("both", 0.21), "novel-cloze-deepbirnn": ("both", 0.2)}
TALES = {"rnn": 0.03, "scrn": 0.004}
TRIO = {"fairytales20-lstm-scratch": 2.4, "fairytales20-lstm-untouched": 2.6, "fairytales20-lstm-finetuned": 2.1}
# (tokens, architecture, BLEU of validation and test, perplexity, BLEU by source length) of each translation experiment.
TRANSLATED = {
    "en-nl-copy": ("subwords", "copy", (9.8, 10.1), None, (12.0, 10.5, 10.1, 9.7, 9.0, 11.2)),
    "en-nl-nearest": ("subwords", "nearest", (13.2, 12.9), None, (25.1, 14.0, 10.2, 8.8, 7.7, 6.1)),
    "en-nl-seq2seq": ("subwords", "seq2seq", (21.0, 20.4), 19.8, (38.2, 29.9, 20.1, 15.2, 9.4, 3.3)),
    "en-nl-seq2seq-gru": ("subwords", "seq2seq", (20.1, 20.9), 20.3, (38.9, 28.7, 19.6, 14.9, 9.6, 3.1)),
    "en-nl-attention": ("subwords", "attention", (30.2, 29.6), 12.1, (41.7, 34.3, 29.8, 27.1, 24.4, 18.0)),
    "en-nl-attention-luong": ("subwords", "attention", (29.1, 29.9), 12.6, (41.0, 34.9, 28.8, 26.2, 24.0, 19.1)),
    "en-nl-attention-words": ("words", "attention", (24.5, 24.1), 16.0, (40.3, 31.0, 24.6, 20.0, 17.8, 12.1)),
}
BINS = ((1, 3, 212), (4, 6, 604), (7, 10, 512), (11, 15, 238), (16, 25, 81), (26, None, 14))
# Sentences of a test split with their references; the last has too few words to be picked.
SENTENCES = [
    ("The device could not be found in the network.", "Het apparaat kon niet worden gevonden in het netwerk."),
    ("Choose the <b>first</b> day of the week.", "Kies de <b>eerste</b> dag van de week."),
    ("Your order has been paid & confirmed by mail.", "Je bestelling is betaald & per mail bevestigd."),
    ("The file will be removed from this folder.", "Het bestand wordt verwijderd uit deze map."),
    ("Are you sure that you want to delete this person?", "Weet je zeker dat je deze persoon wilt verwijderen?"),
    ("No users are connected to the server right now.", "Er zijn nu geen gebruikers verbonden met de server."),
    ("The temperature of the water is too high today.", "De temperatuur van het water is vandaag te hoog."),
    ("Select a chart type to show the results.", "Kies een grafiektype om de resultaten te tonen."),
    ("The page you asked for does not exist.", "De pagina waar je om vroeg bestaat niet."),
    ("Enter the password of your account once more.", "Voer het wachtwoord van je account nog eens in."),
    ("The family tree holds people without any known dates.", "De stamboom bevat personen zonder bekende data."),
    ("Turn off", "Uitschakelen"),
]


def write_boards(root: Path) -> Path:
    """All made-up language models, and experiments of every other board, with what their evaluations leave."""
    write(root)
    content = params.read(root / "params.yaml")
    for corpus in ("fairytales20", "fairytales100"):
        content["corpora"][corpus] = content["corpora"]["sherlock"]
    members = [{"path": "*.txt", "sha256": "0" * 64}]
    content["corpora"]["authors"] = {
        "reader": "passages",
        "source": {"kind": "package", "files": [{"package": "a", "file": "a.whl", "members": members}]},
        "labels": {label: {"files": f"{label}.txt"} for label in LABELS},
    }
    content["tokens"] |= {
        "fairytales20-bigrams": {"corpus": "fairytales20", "kind": "bigrams"},
        "fairytales20-characters": {"corpus": "fairytales20", "kind": "characters"},
        "fairytales100-bigrams": {"corpus": "fairytales100", "kind": "bigrams"},
        "authors-characters": {"corpus": "authors", "kind": "characters"},
    }
    write_settings(root, content)
    for cell in CELLS:
        _memory(root, cell)
    for architecture, unrest in TALES.items():
        _tales(root, f"fairytales100-{architecture}", architecture, unrest)
    _tales(root, "fairytales100-rnn3", "rnn", 0.02, layers=3)
    _tales(root, "fairytales20-rnn-nounroll", "rnn", 1.0, steps=1)
    _tales(root, "fairytales20-rnn", "rnn", 0.05)
    for name, bits in TRIO.items():
        _transfer(root, name, bits)
    for name, (direction, accuracy) in CLOZE.items():
        _cloze(root, name, direction, accuracy)
    for name, architecture, rmse in (("novel-numbers-fc5", "fc", 910.5), ("novel-numbers-mean", "mean", 1012.0)):
        _numbers(root, name, architecture, rmse)
    for name, architecture, right in (("authors-states", "states", 92), ("authors-histogram", "histogram", 80)):
        _passage(root, name, architecture, right)
    _translations(root)
    _news(root)
    _videos(root)
    _captions(root)
    for corpus in FORECAST:
        _forecasts(root, corpus)
    # Of a corpus with both, language models say how they use their context.
    for name, used in (("sherlock-gru", 32), ("sherlock-lstm", 16), ("novel-lstm", 8), ("fairytales100-scrn", 16)):
        metrics = json.loads((root / "metrics" / f"{name}.json").read_text())
        for split in ("valid", "test"):
            metrics[split] |= {"shuffle_preference": 0.91, "context_tokens": used}
        (root / "metrics" / f"{name}.json").write_text(json.dumps(metrics))
        full = metrics["test"]["perplexity"]
        rows = [f"test,{2**k},{_round(full * (1 + 1.5 * math.exp(-2 * 2**k / used)))}" for k in range(7)]
        rows.append(f"test,,{full}")
        _file(root, name, "context.csv", "\n".join(["split,tokens,perplexity", "valid,,5", *rows]) + "\n")
    return root


def add(root: Path, name: str, settings: dict, scores: dict, architecture: str = "rnn", **more: object) -> None:
    """Put one experiment into params.yaml with the scores of its board on both splits."""
    content = params.read(root / "params.yaml")
    # Of its own section: what starts from another's model.
    content.setdefault("derived" if settings.get("start") else "experiments", {})[name] = settings
    write_settings(root, content)
    metrics = {
        "experiment": name,
        "task": settings["task"],
        "tokens": settings["tokens"],
        "architecture": architecture,
        "parameters": 6000,
        "vocabulary_size": 1500,
        "fingerprint": "0" * 64,
        "question": QUESTION,
        "valid": scores,
        "test": scores | more,
    }
    (root / "metrics" / f"{name}.json").write_text(json.dumps(metrics), encoding="utf-8")


def _file(root: Path, name: str, file: str, content: object) -> None:
    path = root / "predictions" / name / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def _memory(root: Path, cell: str) -> None:
    copy, adding, initial, trained = CELLS[cell]
    scores: dict = {
        f"memory_span_{probe}{end}": float(value)
        for probe, span in (("copy", copy), ("adding", adding))
        for end, value in zip(("_low", "", "_high"), span, strict=True)
    }
    scores["memory_span"] = (copy[1] + adding[1]) / 2
    scores |= {"gradient_decay_initial": initial, "gradient_decay_trained": trained, "perplexity": 9.0}
    name = f"memory-{cell}"
    model = {"architecture": cell}
    settings = {"task": "memory", "tokens": "sherlock-characters", "model": model}
    settings["recall"] = {"lags": [5, 10, 20, 40, 80, 160], "seeds": 3}
    add(root, name, settings, scores, cell)
    lines = [
        f"{when},{d},{rate**d / 10:.6g}"
        for when, rate in (("initial", initial), ("trained", trained))
        for d in range(99)
    ]
    _file(root, name, "gradients.csv", "\n".join(["when,distance,norm", *lines]) + "\n")
    norms = [
        (0.3 + 2.5 * math.exp(-step / 40) + (9.0 if step % 97 == 13 else 0.0)) * (1 + trained) for step in range(500)
    ]
    lines = [f"{step},{norm:.6g},{min(1.0, norm):.6g}" for step, norm in enumerate(norms, 1)]
    _file(root, name, "clipping.csv", "\n".join(["step,before,after", *lines]) + "\n")


def _tales(root: Path, name: str, architecture: str, unrest: float, layers: int = 1, steps: int = 50) -> None:
    model = {"architecture": architecture, "hidden": 64, "layers": layers}
    if architecture == "scrn":
        model |= {"context": 64}
    settings = {
        "task": "language",
        "tokens": f"{name.partition('-')[0]}-bigrams",
        "model": model,
        "batches": {"kind": "streams", "steps": steps},
        "training": {"epochs": 15, "learning_rate": 0.001},
    }
    final = 21.0 + 30 * unrest
    add(root, name, settings, {"perplexity": final, "bits_per_character": 2.1 + unrest}, architecture)
    lines = [
        f"{name},{e},{final * (0.9 + 0.9 * 0.6**e):.6g},{final * (1 + 0.8 * 0.6**e) * (1 + unrest * (-1) ** e):.6g}"
        for e in range(1, 16)
    ]
    _file(root, name, "curve.csv", "\n".join(["experiment,epoch,train_perplexity,valid_perplexity", *lines]) + "\n")


def _transfer(root: Path, name: str, bits: float) -> None:
    settings: dict = {
        "task": "language",
        "tokens": "fairytales20-characters",
        "model": {"architecture": "lstm", "hidden": 128},
        "training": {"epochs": 5, "learning_rate": 0.002},
    }
    if not name.endswith("scratch"):
        settings["start"] = "sherlock-lstm"
    if name.endswith("untouched"):
        settings["training"] = None
    final = _round(2**bits)
    add(root, name, settings, {"perplexity": final, "bits_per_character": bits}, "lstm", bits_per_character=bits + 0.05)
    lines = [f"{name},{e},{1.1 * final},{final + 0.2 / e},{bits + 0.3 / e - 0.06:.6g}" for e in range(1, 6)]
    header = "experiment,epoch,train_perplexity,valid_perplexity,valid_bits_per_character"
    _file(root, name, "curve.csv", "\n".join([header, *lines]) + "\n")


def _cloze(root: Path, name: str, direction: str, accuracy: float) -> None:
    settings = {
        "task": "language",
        "objective": "cloze",
        "tokens": "novel-words",
        "model": {"architecture": "rnn", "hidden": 64, "direction": direction},
        "training": {"epochs": 3, "learning_rate": 0.001},
    }
    final = _round(30 / accuracy)
    add(root, name, settings, {"accuracy": accuracy, "top5_accuracy": 2 * accuracy, "perplexity": final})
    sides = [
        ("it is a truth universally", ", that a single man must be in want of a wife .", "acknowledged"),
        ("she was <b>not</b>", " to be pleased", "determined"),
        ("“ my dear", ", ” said his lady to him one day", "mr."),
    ]
    # The left-only model has the word of the last blank behind its five likeliest.
    blanks = [
        {
            "text": f"{left} ____{right}",
            "word": word,
            "probability": accuracy,
            "guesses": [
                {"word": guess, "probability": share}
                for guess, share in (("and", 0.3), ("a" if direction == "left" and word == "mr." else word, accuracy))
            ],
        }
        for left, right, word in sides
    ]
    _file(root, name, "blanks.json", blanks)
    lines = [f"{name},{e},{1.1 * final + 90 - 30 * e},{final + 60 - 20 * e}" for e in range(1, 4)]
    _file(root, name, "curve.csv", "\n".join(["experiment,epoch,train_perplexity,valid_perplexity", *lines]) + "\n")


def _numbers(root: Path, name: str, architecture: str, rmse: float) -> None:
    settings: dict = {
        "task": "language",
        "objective": "word-number",
        "tokens": "novel-words",
        "model": {"architecture": architecture, "window": 5} | ({"hidden": 5} if architecture == "fc" else {}),
    }
    if architecture == "fc":
        settings["training"] = {"epochs": 9, "learning_rate": 0.001}
        lines = [f"{name},{e},{rmse + 90 / e:.6g},{rmse + 80 / e:.6g}" for e in range(1, 10)]
        _file(root, name, "curve.csv", "\n".join(["experiment,epoch,train_rmse,valid_rmse", *lines]) + "\n")
    add(root, name, settings, {"rmse": rmse, "mae": 0.7 * rmse, "accuracy": 0.0012}, architecture)
    texts = {
        "the true text": "and I am sure of it",
        "free-running, after its own words": "sunk whimsical obstinacy forgot",
    }
    samples = [{"prompt": "said she , “ ", "strategy": strategy, "text": text} for strategy, text in texts.items()]
    _file(root, name, "samples.json", samples)


def _passage(root: Path, name: str, architecture: str, right: int) -> None:
    settings: dict = {
        "task": "language",
        "objective": "passage",
        "tokens": "authors-characters",
        "model": {"architecture": architecture},
        "training": {"epochs": 5, "learning_rate": 0.001},
    }
    if architecture == "states":
        settings |= {"start": "sherlock-lstm", "model": {"architecture": "states", "hidden": 32}}
    add(root, name, settings, {"accuracy": right / 100, "macro_f1": right / 100}, architecture)
    wrong = (100 - right) // 4
    rows = [f"{a},{p},{100 - 4 * wrong if a == p else wrong}" for a in LABELS for p in LABELS]
    _file(root, name, "confusion.csv", "\n".join(["actual,predicted,count", *rows]) + "\n")


def _entries(root: Path, corpora: dict, tokens: dict) -> None:
    """Add corpora, of some package's files, and token stores to params.yaml."""
    content = params.read(root / "params.yaml")
    source = content["corpora"]["authors"]["source"]
    content["corpora"] |= {name: {"source": source} | corpus for name, corpus in corpora.items()}
    content["tokens"] |= tokens
    write_settings(root, content)


def _lines(root: Path, name: str, file: str, header: str, rows: list) -> None:
    lines = [header, *(",".join("" if cell is None else str(cell) for cell in row) for row in rows)]
    _file(root, name, file, "\n".join(lines) + "\n")


def _confused(root: Path, name: str, file: str, labels: tuple, right: int) -> None:
    """Of 100 of each label, `right` are told, and the others taken for the label after it."""
    rows = []
    for place, actual in enumerate(labels):
        for predicted in labels:
            wrong = 100 - right if predicted == labels[(place + 1) % len(labels)] else 0
            rows.append((actual, predicted, right if predicted == actual else wrong))
    _lines(root, name, file, "actual,predicted,count", rows)


LEARNT = "experiment,epoch,learning_rate,train_loss,valid_loss,valid_accuracy"


def _learnt(root: Path, name: str, accuracy: float) -> None:
    # The loss is lowest in the third epoch, the accuracy highest in the last.
    rows = [
        (name, e, 0.001, 0.5 / e, 0.2 + 0.03 * abs(e - 3), _round(accuracy * (1 - 0.4 / e**2))) for e in range(1, 6)
    ]
    _lines(root, name, "curve.csv", LEARNT, rows)


def _news(root: Path) -> None:
    _entries(
        root,
        {"reuters-r8": {"reader": "documents"}},
        {"news-words": {"corpus": "reuters-r8", "kind": "words", "language": "en"}},
    )
    for name, (architecture, changes, right) in CLASSIFIED.items():
        settings: dict = {"task": "classification", "reads": "documents", "tokens": "news-words"}
        settings["model"] = {"architecture": architecture}
        if architecture != "tfidf":
            settings["model"] |= {"hidden": 64} | changes
            settings["training"] = {"epochs": 5, "learning_rate": 0.001}
            _learnt(root, name, right / 100)
        scores = {"accuracy": right / 100, "macro_f1": _round(right / 103), "documents": 300}
        add(root, name, settings, scores, architecture, accuracy=_round(right / 100 + 0.005))
        _confused(root, name, "confusion.csv", NEWS, right)
        wrong = [("acq", "earn", _round(0.9 - k / 50), f"shares of <b>{name}</b> {k} rose & fell") for k in range(20)]
        _lines(root, name, "mistakes.csv", "actual,predicted,probability,text", wrong)


def _videos(root: Path) -> None:
    _entries(root, {"digits": {"reader": "digits"}}, {"digits-images": {"corpus": "digits", "kind": "images"}})
    digits, directions = tuple(map(str, range(10))), ("up", "right", "down", "left")
    for name, (digit, direction, both) in FILMS.items():
        architecture = name.removeprefix("videos-")
        settings = {"task": "classification", "reads": "videos", "tokens": "digits-images"}
        settings["model"] = {"architecture": architecture} | ({"hidden": 64} if "lstm" in architecture else {})
        settings["training"] = {"epochs": 5, "learning_rate": 0.001}
        scores = {"accuracy": both, "macro_f1": both, "videos": 800}
        add(root, name, settings, scores | {"digit_accuracy": digit, "direction_accuracy": direction}, architecture)
        _learnt(root, name, both)
        _confused(root, name, "confusion.csv", digits, round(100 * digit))
        _confused(root, name, "directions.csv", directions, round(100 * direction))


def _captions(root: Path) -> None:
    for name, (architecture, exact) in CAPTIONED.items():
        settings: dict = {"task": "captioning", "tokens": "digits-images", "model": {"architecture": architecture}}
        mean = _round(sum(exact) / 3)
        scores = {"exact_match": mean, "character_error_rate": _round((1 - mean) / 4)}
        captions = [(words, words, words, -0.1, -0.1, 0) for words in READINGS]
        if architecture == "nearest":
            captions = [(*row[:1], READINGS[0], *row[2:5], 3) for row in captions]
        else:
            settings["model"]["hidden"] = 64
            settings["training"] = {"epochs": 5, "learning_rate": 0.001}
            rows = [(name, e, 0.001, _round(1.1 + 1 / e), _round(1.2 + 1 / e)) for e in range(1, 6)]
            _lines(root, name, "curve.csv", "experiment,epoch,learning_rate,train_perplexity,valid_perplexity", rows)
            for place, words in enumerate(READINGS[:5], 1):
                path = root / "predictions" / name / "images" / f"{place:02}-{words.replace(' ', '-')}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(picture(place))
            # One letter too few.
            captions[1] = (*READINGS[1:2], "two fiv", "two fiv", -0.3, -0.3, 1)
        add(root, name, settings, scores, architecture, exact_match=_round(mean + 0.001))
        header = "reference,caption,greedy,score,greedy_score,edits"
        _lines(root, name, "captions.csv", header, captions)
        by_length = [(digits, 300 + digits, share, _round(1 - share)) for digits, share in enumerate(exact, 2)]
        _lines(root, name, "lengths.csv", "digits,images,exact_match,character_error_rate", by_length)


def picture(number: int) -> bytes:
    """A PNG image of 40 x 10 grey pixels."""
    from PIL import Image

    file = io.BytesIO()
    pixels = bytes((x * number * 7 + 13 * y) % 256 for y in range(10) for x in range(40))
    Image.frombytes("L", (40, 10), pixels).resize((320, 80), 0).save(file, "PNG")
    return file.getvalue()


def _forecasts(root: Path, corpus: str) -> None:
    series = {"reader": "series", "time": "time", "value": "value"}
    _entries(root, {corpus: series}, {f"{corpus}-values": {"corpus": corpus, "kind": "series"}})
    # Sunspots by month, each split after the other; sines by number, the validation split last.
    monthly = corpus == "sunspots"
    lengths = {"train": 300, "valid": 60, "test": 60} if monthly else {"train": 500, "test": 250, "valid": 100}
    moments = [(split, number) for split, length in lengths.items() for number in range(length)]
    for name, (architecture, rmse) in FORECAST[corpus].items():
        settings: dict = {"task": "forecasting", "tokens": f"{corpus}-values", "model": {"architecture": architecture}}
        if architecture != "last":
            settings["model"]["window"] = 5
        if architecture in ("fc", "lstm"):
            settings["model"]["hidden"] = 3
            settings["training"] = {"epochs": 5, "learning_rate": 0.001}
            curve = [(name, e, 0.01, _round(rmse * (1 + 1 / e)), _round(rmse * (1 + 2 / e))) for e in range(1, 6)]
            _lines(root, name, "curve.csv", "experiment,epoch,learning_rate,train_rmse,valid_rmse", curve)
        scores = {"rmse": rmse, "mae": 0.8 * rmse, "skill": _round(1 - rmse / 30), "rmse_free_running": 2 * rmse}
        add(root, name, settings, scores, architecture)
        rows = []
        for place, (split, number) in enumerate(moments):
            time = f"{1749 + place // 12}-{place % 12 + 1:02}" if monthly else str(place)
            value = _round((60 if monthly else 1) * (1 + math.sin(place / 21)))
            rows.append((split, time, value, None if number < 5 else _round(value + rmse / 3)))
        _lines(root, name, "forecasts.csv", "split,time,value,forecast", rows)
        test = [row for row in rows if row[0] == "test"][5:]
        free = [
            (origin, step, *test[start + step - 1][1:3], _round(test[start][2] + rmse * step / 20))
            for origin, start in ((1, 0), (2, 20))
            for step in range(1, 21)
        ]
        _lines(root, name, "free.csv", "origin,step,time,value,forecast", free)
        steps = [(step, _round(rmse * (1 + step / 10))) for step in range(1, 21)]
        _lines(root, name, "steps.csv", "step,rmse", steps)


def _translations(root: Path) -> None:
    content = params.read(root / "params.yaml")
    content["corpora"]["en-nl"] = {"reader": "pairs", "source": content["corpora"]["authors"]["source"]}
    content["tokens"] |= {
        "en-nl-subwords": {"corpus": "en-nl", "kind": "subword-pairs", "size": 6000},
        "en-nl-words": {"corpus": "en-nl", "kind": "word-pairs"},
    }
    write_settings(root, content)
    for name, (kind, architecture, bleu, perplexity, by_length) in TRANSLATED.items():
        settings: dict = {"task": "translation", "tokens": f"en-nl-{kind}", "model": {"architecture": architecture}}
        scores = [{"bleu": value, "chrf": 20 + value} for value in bleu]
        if perplexity:
            settings["model"]["hidden"] = 256
            settings["training"] = {"epochs": 8, "learning_rate": 0.001}
            for each in scores:
                each |= {"perplexity": perplexity, "bleu_greedy": _round(each["bleu"] - 0.7), "length_ratio": 0.97}
            scores[1] |= {"score_beam": -0.412, "score_greedy": -0.4371, "beam_below_greedy": 0.0123}
            lines = [f"{name},{e},{perplexity * (0.8 + 0.7**e)},{perplexity * (1 + 0.6**e)}" for e in range(1, 9)]
            header = "experiment,epoch,train_perplexity,valid_perplexity"
            _file(root, name, "curve.csv", "\n".join([header, *lines]) + "\n")
        add(root, name, settings, scores[0], architecture, **scores[1])
        path = root / "metrics" / f"{name}.json"
        signatures = {"bleu": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0"}
        signatures["chrf"] = "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"signatures": signatures}))
        bins = [f"{a},{b or ''},{n},{value}" for (a, b, n), value in zip(BINS, by_length, strict=True)]
        _file(root, name, "lengths.csv", "\n".join(["low,high,sentences,bleu", *bins]) + "\n")
        _said(root, name, architecture, kind, bleu[1])
        if architecture == "attention":
            _file(root, name, "attention.json", [_weights(*pair) for pair in (*SENTENCES[:5], SENTENCES[-1])])


def _said(root: Path, name: str, architecture: str, kind: str, bleu: float) -> None:
    path = root / "predictions" / name / "translations.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["source", "reference", "translation", "greedy", "score", "greedy_score", "chrf"])
        for index, (source, reference) in enumerate(SENTENCES):
            words = reference.split()
            # The earlier a sentence the better; the first two are equally good.
            kept = words if index < 2 else words[: max(1, len(words) - index // 2)]
            said = {"copy": source, "nearest": SENTENCES[index - 1][1]}.get(architecture, " ".join(kept))
            if kind == "words":
                said = said.replace("de ", "<unk> ").lower()
            if architecture == "attention" and source == "Turn off":
                said = ""
            network = architecture not in ("copy", "nearest")
            chrf = _round(max(0.0, (100 if index < 2 else 95 - 6 * index) - (30 - bleu)))
            writer.writerow([source, reference, said, *((said, -0.4, -0.4) if network else ("", "", "")), chrf])


def _weights(source: str, target: str) -> dict:
    """Attention that goes along with the sentence, each row summing to one."""
    read, written = ([*text.replace(".", " .").split(), "</s>"] for text in (source, target))
    rows = []
    for i in range(len(written)):
        row = [math.exp(-abs(j - i * (len(read) - 1) / (len(written) - 1)) / 0.6) for j in range(len(read))]
        rows.append([_round(value / sum(row)) for value in row])
    return {"source": read, "target": written, "weights": rows}


def _round(value: float) -> float:
    return float(f"{value:.6g}")


@pytest.fixture(scope="session")
def made() -> SimpleNamespace:
    """`made.write(root, experiments, without)` writes a project folder; `made.ALL` and `made.changed(name, ...)`."""
    return SimpleNamespace(write=write, write_boards=write_boards, add=add, changed=changed, picture=picture, ALL=MADE)


@pytest.fixture(scope="session")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with made-up results of every board, compared; tests read it and leave it as it is."""
    from anamnesis.report.compare import compare

    root = write_boards(tmp_path_factory.mktemp("boards"))
    compare(root)
    return root


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all made-up results, compared; tests read it and leave it as it is."""
    from anamnesis.report.compare import compare

    root = write(tmp_path_factory.mktemp("project"))
    compare(root)
    return root
