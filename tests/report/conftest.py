"""A project folder with invented results on every leaderboard, in the files that stages write."""

import io
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from settings_files import write_settings

from anamnesis import params
from anamnesis.stages.compare import compare

TEXTS = {
    "sherlock": ("It was ", 'the door of the room, and I saw that he was "all <right>" & well.\nHolmes said nothing.'),
    "novel": ("it is a truth", "universally acknowledged , that a <unk> man must be in want of a wife ."),
    "sanguo": ("却说曹操", "引军至城下，<unk>见城上旗号，大惊曰：“吾中计矣！”急回马时，背后喊声大起。"),
    "hello": ("h", "ello"),
}
TOKENS: dict = {
    "sherlock": {"kind": "characters"},
    "novel": {"kind": "words"},
    "sanguo": {"kind": "words", "language": "zh"},
    "hello": {"kind": "characters"},
}
QUESTION = {"asked": "the whole text", "valid": "3" * 64, "test": "4" * 64}
STRATEGIES = ("greedy", "temperature 0.7", "top-k 10")


@dataclass(frozen=True)
class ToyModel:
    """The results of a language model that was not trained; `bits` are bits per character of validation and test."""

    name: str
    corpus: str
    architecture: str
    parameters: int
    bits: tuple[float, float]
    epochs: int = 0

    @property
    def baseline(self) -> bool:
        return self.architecture in ("uniform", "ngram")

    @property
    def tokens(self) -> str:
        return f"{self.corpus}-{TOKENS[self.corpus]['kind']}"


# On sherlock the order by test differs from the order by validation; on novel a baseline wins.
TOY_MODELS = (
    ToyModel("sherlock-uniform", "sherlock", "uniform", 0, (6.31, 6.31)),
    ToyModel("sherlock-ngram5", "sherlock", "ngram", 412_345, (2.27, 2.29)),
    ToyModel("sherlock-rnn", "sherlock", "rnn", 75_123, (2.24, 2.26), 10),
    ToyModel("sherlock-gru", "sherlock", "gru", 200_301, (2.02, 2.15), 12),
    ToyModel("sherlock-lstm", "sherlock", "lstm", 262_501, (2.06, 2.09), 20),
    ToyModel("sherlock-lstm-windows", "sherlock", "lstm", 262_501, (2.41, 2.44), 6),
    ToyModel("novel-ngram3", "novel", "ngram", 91_234, (1.61, 1.66)),
    ToyModel("novel-lstm", "novel", "lstm", 2_345_678, (1.70, 1.74), 8),
    ToyModel("sanguo-ngram3", "sanguo", "ngram", 188_000, (5.9, 6.0)),
    ToyModel("sanguo-lstm", "sanguo", "lstm", 3_456_789, (5.5, 5.6), 9),
    ToyModel("hello-rnn", "hello", "rnn", 93, (0.02, 0.02), 40),
)
TRAINING = {"epochs": 5, "learning_rate": 0.001}


def write(root: Path, toy_models: tuple[ToyModel, ...] = TOY_MODELS, without: tuple[str, ...] = ()) -> Path:
    """Write params.yaml, metrics/ and predictions/ of language models; no results for those in `without`."""
    root.mkdir(parents=True, exist_ok=True)
    corpora = dict.fromkeys(entry.corpus for entry in toy_models)
    source = {"source": {"kind": "literal", "text": "hello hello"}, "reader": "text"}
    content = {
        "profile": "laptop",
        "corpora": dict.fromkeys(corpora, source),
        "tokens": {entry.tokens: {"corpus": entry.corpus, **TOKENS[entry.corpus]} for entry in toy_models},
        "experiments": {entry.name: _settings(entry) for entry in toy_models},
    }
    write_settings(root, content)
    for entry in toy_models:
        if entry.name not in without:
            _language_model(root, entry)
    return root


def changed(name: str, **changes: object) -> tuple[ToyModel, ...]:
    """The invented language models, one of them changed."""
    return tuple(replace(entry, **changes) if entry.name == name else entry for entry in TOY_MODELS)


def _settings(entry: ToyModel) -> dict:
    model = {"architecture": entry.architecture} | ({"order": 3} if entry.architecture == "ngram" else {})
    settings: dict = {"task": "language", "tokens": entry.tokens, "model": model}
    if not entry.baseline:
        settings |= {"model": model | {"hidden": 128}, "training": TRAINING | {"epochs": entry.epochs}}
    return settings


def _language_model(root: Path, entry: ToyModel) -> None:
    scores = []
    for bits in entry.bits:
        perplexity = _round(2 ** (bits * (4.6 if entry.corpus == "novel" else 1.0)))
        accuracy = 0.9 / (1 + bits)
        scores.append({"bits_per_character": bits, "perplexity": perplexity, "accuracy": accuracy})
    _metrics(root, entry.name, _settings(entry), entry.architecture, *scores, parameters=entry.parameters)
    prompt, text = TEXTS[entry.corpus]
    _file(root, entry.name, "samples.json", [{"prompt": prompt, "strategy": s, "text": text} for s in STRATEGIES])
    final = scores[0]["perplexity"]
    rows = [(0, 0.6 * final, final)] if entry.baseline else []
    for e in range(1, entry.epochs + 1):
        valid = 1 + (final - 1) * (1 + 1.8 * 0.68**e + 0.004 * max(0, e - 12))
        rows.append((e, 1 + (final - 1) * (0.88 + 2.9 * 0.62**e), valid))
    _table(root, entry.name, "curve.csv", "epoch,train_perplexity,valid_perplexity", rows)


CELLS = {
    # Spans of copy and adding (low, median, high), and the decay of the gradient, before and after training.
    "rnn": ((5, 10, 10), (0, 5, 10), 0.7, 0.9),
    "rnn-relu": ((0, 0, 5), (0, 0, 0), 0.6, 1.08),
    "gru": ((80, 160, 160), (40, 80, 160), 0.8, 0.97),
    "lstm": ((80, 160, 160), (160, 160, 160), 0.75, 0.985),
    "scrn": ((20, 40, 40), (10, 20, 40), 0.93, 0.95),
}
LABELS = ("andersen", "austen", "doyle", "grimm", "shakespeare")
# Architecture, different settings than news-lstm, and how many of 100 documents of each label are right.
CLASSIFIED: dict = {
    "news-tfidf": ("tfidf", {}, 85),
    "news-lstm-gates": ("lstm-gates", {}, 89),
    "news-lstm": ("lstm", {}, 90),
    "news-birnn": ("birnn", {"cell": "lstm"}, 95),
    "news-lstm-dropout": ("lstm", {"dropout": 0.3}, 92),
    "news-lstm-relu": ("lstm", {"dense": 64}, 91),
}
# Accuracy of digit, direction and both.
VIDEOS = {"videos-cnn-lstm": (0.985, 0.99, 0.975), "videos-cnn": (0.9, 0.14, 0.13), "videos-lstm": (0.62, 0.91, 0.57)}
# Exact match by number of digits.
CAPTIONED: dict = {
    "captions-nearest": ("nearest", (0.5, 0.2, 0.05)),
    "captions-gru": ("cnn-gru", (0.98, 0.96, 0.93)),
    "captions-lstm": ("cnn-lstm", (0.99, 0.97, 0.95)),
}
CAPTIONS = ("three seven one", "two five", "zero nine nine eight", "four six", "one one", "eight zero two")
# Architecture and RMSE, by corpus.
FORECAST: dict = {
    "sines": {"sines-last": ("last", 0.4), "sines-ar": ("ar", 0.2), "sines-fc5": ("fc", 0.1)},
    "sunspots": {
        "sunspots-last": ("last", 21.0),
        "sunspots-fc5": ("fc", 18.5),
        "sunspots-lstm3": ("lstm", 18.25),
    },
}
CLOZE = {"novel-cloze-rnn": ("left", 0.14), "novel-cloze-birnn": ("both", 0.21)}
TRIO = {"fairytales20-lstm-scratch": 2.4, "fairytales20-lstm-untouched": 2.6, "fairytales20-lstm-finetuned": 2.1}
# Tokens, architecture, BLEU of validation and test, perplexity, BLEU by source length.
TRANSLATED = {
    "en-nl-copy": ("subwords", "copy", (9.8, 10.1), None, (12.0, 10.5, 10.1, 9.7, 9.0, 11.2)),
    "en-nl-nearest": ("subwords", "nearest", (13.2, 12.9), None, (25.1, 14.0, 10.2, 8.8, 7.7, 6.1)),
    "en-nl-seq2seq": ("subwords", "seq2seq", (21.0, 20.4), 19.8, (38.2, 29.9, 20.1, 15.2, 9.4, 3.3)),
    "en-nl-attention": ("subwords", "attention", (30.2, 29.6), 12.1, (41.7, 34.3, 29.8, 27.1, 24.4, 18.0)),
    "en-nl-attention-luong": ("subwords", "attention", (29.1, 29.9), 12.6, (41.0, 34.9, 28.8, 26.2, 24.0, 19.1)),
    "en-nl-attention-words": ("words", "attention", (24.5, 24.1), 16.0, (40.3, 31.0, 24.6, 20.0, 17.8, 12.1)),
}
BINS = ((1, 3, 212), (4, 6, 604), (7, 10, 512), (11, 15, 238), (16, 25, 81), (26, None, 14))
# Sentences with their references; the last has too few words to be picked.
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
    """All invented language models, and experiments of every other task, with the files of their evaluations."""
    write(root)
    content = params.read(root / "params.yaml")
    text = content["corpora"]["sherlock"]
    members = [{"path": "*.txt", "sha256": "0" * 64}]
    source = {"source": {"kind": "package", "files": [{"package": "a", "file": "a.whl", "members": members}]}}
    series = {"reader": "series", "time": "time", "value": "value"} | source
    content["corpora"] |= {
        "fairytales20": text,
        "fairytales100": text,
        "authors": {"reader": "passages", "labels": {label: {"files": f"{label}.txt"} for label in LABELS}} | source,
        "reuters-r8": {"reader": "documents"} | source,
        "digits": {"reader": "digits"} | source,
        "en-nl": {"reader": "pairs"} | source,
        **dict.fromkeys(FORECAST, series),
    }
    content["tokens"] |= {
        "fairytales20-bigrams": {"corpus": "fairytales20", "kind": "bigrams"},
        "fairytales20-characters": {"corpus": "fairytales20", "kind": "characters"},
        "fairytales100-bigrams": {"corpus": "fairytales100", "kind": "bigrams"},
        "authors-characters": {"corpus": "authors", "kind": "characters"},
        "news-words": {"corpus": "reuters-r8", "kind": "words", "language": "en"},
        "digits-images": {"corpus": "digits", "kind": "images"},
        "en-nl-subwords": {"corpus": "en-nl", "kind": "subword-pairs", "size": 6000},
        "en-nl-words": {"corpus": "en-nl", "kind": "word-pairs"},
        **{f"{corpus}-values": {"corpus": corpus, "kind": "series"} for corpus in FORECAST},
    }
    write_settings(root, content)
    for cell in CELLS:
        _memory(root, cell)
    for corpus, architecture, unrest in (("100", "rnn", 0.03), ("100", "scrn", 0.004), ("20", "rnn", 0.05)):
        _tales(root, f"fairytales{corpus}-{architecture}", architecture, unrest)
    _tales(root, "fairytales20-rnn-nounroll", "rnn", 1.0, steps=1)
    _transfer(root)
    _cloze(root)
    _word_numbers(root)
    _classification(root)
    _videos(root)
    _captions(root)
    for corpus in FORECAST:
        _forecasts(root, corpus)
    _translations(root)
    _contexts(root)
    return root


def add(root: Path, name: str, settings: dict, scores: dict, architecture: str = "rnn", **test: object) -> None:
    """Add an experiment to params.yaml, with its scores on both splits; `test` changes those of the test split."""
    content = params.read(root / "params.yaml")
    content.setdefault("dependent" if "needs" in settings else "experiments", {})[name] = settings
    write_settings(root, content)
    _metrics(root, name, settings, architecture, scores, scores | test)


def _metrics(
    root: Path, name: str, settings: dict, architecture: str, valid: dict, test: dict, parameters: int = 6000
) -> None:
    metrics = {
        "experiment": name,
        "task": settings["task"],
        "tokens": settings["tokens"],
        "architecture": architecture,
        "parameters": parameters,
        "vocabulary_size": 1500,
        "fingerprint": "0" * 64,
        "question": QUESTION,
        "valid": valid,
        "test": test,
    }
    (root / "metrics").mkdir(exist_ok=True)
    (root / "metrics" / f"{name}.json").write_text(json.dumps(metrics), encoding="utf-8")


def _file(root: Path, name: str, file: str, content: object) -> None:
    path = root / "predictions" / name / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _table(root: Path, name: str, file: str, columns: str, rows: list[tuple]) -> None:
    path = root / "predictions" / name / file
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=columns.split(","), dtype=object).to_csv(path, index=False, float_format="%.6g")


def _memory(root: Path, cell: str) -> None:
    copy, adding, initial, trained = CELLS[cell]
    scores: dict = {
        f"memory_span_{probe}{end}": float(value)
        for probe, span in (("copy", copy), ("adding", adding))
        for end, value in zip(("_low", "", "_high"), span, strict=True)
    }
    scores |= {"memory_span": (copy[1] + adding[1]) / 2, "perplexity": 9.0}
    scores |= {"gradient_decay_initial": initial, "gradient_decay_trained": trained}
    name = f"memory-{cell}"
    settings = {"task": "memory", "tokens": "sherlock-characters", "model": {"architecture": cell}}
    recall = {"lags": [5, 10, 20, 40, 80, 160], "seeds": 3}
    add(root, name, settings | {"recall": recall, "training": TRAINING}, scores, cell)
    rates = (("initial", initial), ("trained", trained))
    gradients = [(when, distance, rate**distance / 10) for when, rate in rates for distance in range(99)]
    _table(root, name, "gradients.csv", "when,distance,norm", gradients)
    norms = [
        (0.3 + 2.5 * math.exp(-step / 40) + (9.0 if step % 97 == 13 else 0.0)) * (1 + trained) for step in range(500)
    ]
    clipping = [(step, norm, min(1.0, norm)) for step, norm in enumerate(norms, 1)]
    _table(root, name, "clipping.csv", "step,before,after", clipping)


def _tales(root: Path, name: str, architecture: str, unrest: float, steps: int = 50) -> None:
    model = {"architecture": architecture, "hidden": 64} | ({"context": 64} if architecture == "scrn" else {})
    settings = {"task": "language", "tokens": f"{name.partition('-')[0]}-bigrams", "model": model}
    settings |= {"batches": {"kind": "streams", "steps": steps}, "training": TRAINING | {"epochs": 15}}
    final = 21.0 + 30 * unrest
    add(root, name, settings, {"perplexity": final, "bits_per_character": 2.1 + unrest}, architecture)
    rows = [
        (e, final * (0.9 + 0.9 * 0.6**e), final * (1 + 0.8 * 0.6**e) * (1 + unrest * (-1) ** e)) for e in range(1, 16)
    ]
    _table(root, name, "curve.csv", "epoch,train_perplexity,valid_perplexity", rows)


def _transfer(root: Path) -> None:
    for name, bits in TRIO.items():
        settings: dict = {"task": "language", "tokens": "fairytales20-characters"}
        settings |= {"model": {"architecture": "lstm", "hidden": 128}, "training": TRAINING}
        if not name.endswith("scratch"):
            settings["needs"] = "models/sherlock-lstm"
        if name.endswith("untouched"):
            settings["training"] = None
        final = _round(2**bits)
        scores = {"perplexity": final, "bits_per_character": bits}
        add(root, name, settings, scores, "lstm", bits_per_character=bits + 0.05)
        rows = [(e, 1.1 * final, final + 0.2 / e, bits + 0.3 / e - 0.06) for e in range(1, 6)]
        _table(root, name, "curve.csv", "epoch,train_perplexity,valid_perplexity,valid_bits_per_character", rows)


def _cloze(root: Path) -> None:
    for name, (direction, accuracy) in CLOZE.items():
        model = {"architecture": "rnn", "hidden": 64, "direction": direction}
        settings = {"task": "cloze", "tokens": "novel-words", "model": model, "training": TRAINING}
        add(root, name, settings, {"accuracy": accuracy, "top5_accuracy": 2 * accuracy, "perplexity": 30 / accuracy})
        blanks = []
        for text, word in (("a truth ____ known", "well"), ("she was <b>not</b> ____ to be pleased", "mr.")):
            # The model that reads the left side alone does not guess the word of the last blank.
            guess = "a" if direction == "left" and word == "mr." else word
            guesses = [{"word": each, "probability": share} for each, share in (("and", 0.3), (guess, accuracy))]
            blanks.append({"text": text, "word": word, "probability": accuracy, "guesses": guesses})
        _file(root, name, "blanks.json", blanks)
        _table(root, name, "curve.csv", "epoch,valid_perplexity", [(e, 30 / accuracy + 20 / e) for e in range(1, 4)])


def _word_numbers(root: Path) -> None:
    for name, architecture, rmse in (("novel-numbers-fc5", "fc", 910.5), ("novel-numbers-mean", "mean", 1012.0)):
        settings: dict = {"task": "forecasting", "series": "words", "tokens": "novel-words"}
        settings["model"] = {"architecture": architecture, "window": 5}
        if architecture == "fc":
            settings["model"]["hidden"] = 5
            settings["training"] = TRAINING
            _table(root, name, "curve.csv", "epoch,train_rmse,valid_rmse", [(e, rmse, rmse + 80 / e) for e in (1, 2)])
        add(root, name, settings, {"rmse": rmse, "mae": 0.7 * rmse, "accuracy": 0.0012}, architecture)
        texts = {"the true text": "and I am sure of it", "free-running": "sunk whimsical obstinacy forgot"}
        _file(root, name, "samples.json", [{"prompt": "said ", "strategy": s, "text": t} for s, t in texts.items()])


def _confused(root: Path, name: str, file: str, labels: tuple, right: int) -> None:
    """Of 100 of each label, `right` are classified as it, and the others as the label after it."""
    rows = [
        (actual, labels[(place + shift) % len(labels)], count)
        for place, actual in enumerate(labels)
        for shift, count in enumerate((right, 100 - right, *[0] * (len(labels) - 2)))
    ]
    _table(root, name, file, "actual,predicted,count", rows)


def _learnt(root: Path, name: str, accuracy: float) -> None:
    # The loss is lowest in the third epoch, the accuracy highest in the last.
    rows = [(e, 0.5 / e, 0.2 + 0.03 * abs(e - 3), accuracy * (1 - 0.4 / e**2)) for e in range(1, 6)]
    _table(root, name, "curve.csv", "epoch,train_loss,valid_loss,valid_accuracy", rows)


def _classification(root: Path) -> None:
    for name, (architecture, changes, right) in CLASSIFIED.items():
        settings: dict = {"task": "classification", "tokens": "news-words", "model": {"architecture": architecture}}
        if architecture != "tfidf":
            settings["model"] |= {"hidden": 64} | changes
            settings["training"] = TRAINING
            _learnt(root, name, right / 100)
        scores = {"accuracy": right / 100, "macro_f1": right / 103, "documents": 300}
        add(root, name, settings, scores, architecture, accuracy=_round(right / 100 + 0.005))
        _confused(root, name, "confusion.csv", ("acq", "crude", "earn"), right)
        wrong = [("acq", "earn", 0.9 - k / 50, f"shares of <b>{name}</b> {k} rose & fell") for k in range(20)]
        _table(root, name, "mistakes.csv", "actual,predicted,probability,text", wrong)
    for name, architecture, right in (("authors-states", "language-model", 92), ("authors-histogram", "histogram", 80)):
        settings = {"task": "classification", "tokens": "authors-characters", "model": {"architecture": architecture}}
        settings["training"] = TRAINING
        if architecture == "language-model":
            settings["model"]["hidden"] = 32
            settings["needs"] = "models/sherlock-lstm"
        add(root, name, settings, {"accuracy": right / 100, "macro_f1": right / 100}, architecture)
        _confused(root, name, "confusion.csv", LABELS, right)


def _videos(root: Path) -> None:
    for name, (digit, direction, both) in VIDEOS.items():
        architecture = name.removeprefix("videos-")
        model = {"architecture": architecture} | ({"hidden": 64} if "lstm" in architecture else {})
        settings = {"task": "video", "tokens": "digits-images", "model": model, "training": TRAINING}
        scores = {"accuracy": both, "macro_f1": both, "digit_accuracy": digit, "direction_accuracy": direction}
        add(root, name, settings, scores, architecture)
        _learnt(root, name, both)
        _confused(root, name, "confusion.csv", tuple(map(str, range(10))), round(100 * digit))
        _confused(root, name, "directions.csv", ("up", "right", "down", "left"), round(100 * direction))


def _captions(root: Path) -> None:
    for name, (architecture, exact) in CAPTIONED.items():
        settings: dict = {"task": "captioning", "tokens": "digits-images", "model": {"architecture": architecture}}
        captions = list(CAPTIONS)
        if architecture == "nearest":
            captions = [CAPTIONS[0]] * len(CAPTIONS)
        else:
            settings |= {"training": TRAINING, "model": {"architecture": architecture, "hidden": 64}}
            # One letter is missing.
            captions[1] = "two fiv"
            for place, words in enumerate(CAPTIONS[:5], 1):
                path = root / "predictions" / name / "images" / f"{place:02}-{words.replace(' ', '-')}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(picture(place))
        mean = _round(sum(exact) / 3)
        add(root, name, settings, {"exact_match": mean, "character_error_rate": (1 - mean) / 4}, architecture)
        _table(root, name, "captions.csv", "reference,caption", list(zip(CAPTIONS, captions, strict=True)))
        lengths = [(digits, 300 + digits, share) for digits, share in enumerate(exact, 2)]
        _table(root, name, "lengths.csv", "digits,images,exact_match", lengths)


def picture(number: int) -> bytes:
    """A PNG image of 320 x 80 grey pixels."""
    from PIL import Image

    file = io.BytesIO()
    pixels = bytes((x * number * 7 + 13 * y) % 256 for y in range(10) for x in range(40))
    Image.frombytes("L", (40, 10), pixels).resize((320, 80), 0).save(file, "PNG")
    return file.getvalue()


def _forecasts(root: Path, corpus: str) -> None:
    # Sunspots by month, one split after the other; sines by number, the validation split last.
    monthly = corpus == "sunspots"
    lengths = {"train": 300, "valid": 60, "test": 60} if monthly else {"train": 500, "test": 250, "valid": 100}
    moments = [(split, number) for split, length in lengths.items() for number in range(length)]
    for name, (architecture, rmse) in FORECAST[corpus].items():
        settings: dict = {"task": "forecasting", "tokens": f"{corpus}-values", "model": {"architecture": architecture}}
        if architecture != "last":
            settings["model"]["window"] = 5
        if architecture in ("fc", "lstm"):
            settings["model"]["hidden"] = 3
            settings["training"] = TRAINING
        scores = {"rmse": rmse, "mae": 0.8 * rmse, "skill": 1 - rmse / 30, "rmse_free_running": 2 * rmse}
        add(root, name, settings, scores, architecture)
        rows = []
        for place, (split, number) in enumerate(moments):
            time = f"{1749 + place // 12}-{place % 12 + 1:02}" if monthly else str(place)
            value = (60 if monthly else 1) * (1 + math.sin(place / 21))
            rows.append((split, time, value, None if number < 5 else value + rmse / 3))
        _table(root, name, "forecasts.csv", "split,time,value,forecast", rows)
        test = [row for row in rows if row[0] == "test"][5:]
        free = [
            (origin, step, *test[start + step - 1][1:3], test[start][2] + rmse * step / 20)
            for origin, start in ((1, 0), (2, 20))
            for step in range(1, 21)
        ]
        _table(root, name, "free.csv", "origin,step,time,value,forecast", free)
        _table(root, name, "steps.csv", "step,rmse", [(step, rmse * (1 + step / 10)) for step in range(1, 21)])


def _translations(root: Path) -> None:
    signatures = {"bleu": "nrefs:1|tok:13a|version:2.6.0", "chrf": "nrefs:1|nc:6|version:2.6.0"}
    for name, (kind, architecture, bleu, perplexity, by_length) in TRANSLATED.items():
        settings: dict = {"task": "translation", "tokens": f"en-nl-{kind}", "model": {"architecture": architecture}}
        valid, test = ({"bleu": value, "chrf": 20 + value} for value in bleu)
        if perplexity:
            settings |= {"training": TRAINING, "model": {"architecture": architecture, "hidden": 256}}
            for each in (valid, test):
                each |= {"perplexity": perplexity, "bleu_greedy": _round(each["bleu"] - 0.7)}
            test |= {"score_beam": -0.412, "score_greedy": -0.4371, "beam_below_greedy": 0.0123}
            rows = [(e, perplexity * (0.8 + 0.7**e), perplexity * (1 + 0.6**e)) for e in range(1, 9)]
            _table(root, name, "curve.csv", "epoch,train_perplexity,valid_perplexity", rows)
        add(root, name, settings, valid, architecture, **test)
        path = root / "metrics" / f"{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"signatures": signatures}))
        bins = [(*each, value) for each, value in zip(BINS, by_length, strict=True)]
        _table(root, name, "lengths.csv", "low,high,sentences,bleu", bins)
        rows = []
        for index, (source, reference) in enumerate(SENTENCES):
            words = reference.split()
            # The earlier a sentence, the better; the first two are equally good.
            said = " ".join(words if index < 2 else words[: max(1, len(words) - index // 2)])
            said = {"copy": source, "nearest": SENTENCES[index - 1][1]}.get(architecture, said)
            if kind == "words":
                said = said.replace("de ", "<unk> ").lower()
            chrf = max(0.0, (100 if index < 2 else 95 - 6 * index) - (30 - bleu[1]))
            rows.append((source, reference, said, chrf))
        _table(root, name, "translations.csv", "source,reference,translation,chrf", rows)
        if architecture == "attention":
            _file(root, name, "attention.json", [_weights(*pair) for pair in SENTENCES[:3]])


def _weights(source: str, target: str) -> dict:
    """Attention along the sentence, each row summing to one."""
    read, written = ([*text.split(), "</s>"] for text in (source, target))
    rows = []
    for i in range(len(written)):
        row = [math.exp(-abs(j - i * (len(read) - 1) / (len(written) - 1)) / 0.6) for j in range(len(read))]
        rows.append([_round(value / sum(row)) for value in row])
    return {"source": read, "target": written, "weights": rows}


def _contexts(root: Path) -> None:
    for name, used in (("sherlock-gru", 32), ("sherlock-lstm", 16), ("novel-lstm", 8), ("fairytales100-scrn", 16)):
        path = root / "metrics" / f"{name}.json"
        metrics = json.loads(path.read_text())
        for split in ("valid", "test"):
            metrics[split] |= {"shuffle_preference": 0.91, "context_tokens": used}
        path.write_text(json.dumps(metrics))
        full = metrics["test"]["perplexity"]
        rows = [("test", 2**k, full * (1 + 1.5 * math.exp(-2 * 2**k / used))) for k in range(7)]
        _table(root, name, "context.csv", "split,tokens,perplexity", [("valid", None, 5), *rows, ("test", None, full)])


def _round(value: float) -> float:
    return float(f"{value:.6g}")


@pytest.fixture(scope="session")
def toy_results() -> SimpleNamespace:
    """Functions that write a project folder: `write(root, models, without)`, and `ALL`, the default of `models`."""
    return SimpleNamespace(
        write=write, write_boards=write_boards, add=add, changed=changed, picture=picture, ALL=TOY_MODELS
    )


@pytest.fixture(scope="session")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with invented results of every task, compared; tests only read it."""
    root = write_boards(tmp_path_factory.mktemp("boards"))
    compare(root)
    return root


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with invented language models, compared; tests only read it."""
    root = write(tmp_path_factory.mktemp("project"))
    compare(root)
    return root


@pytest.fixture
def copied(boards: Path, tmp_path: Path) -> Path:
    """A copy of `boards` that a test may change."""
    import shutil

    return Path(shutil.copytree(boards, tmp_path / "project"))


@pytest.fixture
def change():
    """`change(root, experiment, split, **scores)` changes scores of an experiment; split "both" is both."""

    def change(root: Path, experiment: str, split: str, **scores: float) -> None:
        path = root / "metrics" / f"{experiment}.json"
        metrics = json.loads(path.read_text())
        for each in ("valid", "test") if split == "both" else (split,):
            metrics[each] |= scores
        path.write_text(json.dumps(metrics))

    return change
