"""A project folder with invented results on every leaderboard, in the files that stages write."""

import io
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from PIL import Image
from settings_files import write_settings

from anamnesis.stages.compare import compare


class Result(NamedTuple):
    """A language model that was not trained; `valid` and `test` are bits per character."""

    architecture: str
    parameters: int
    valid: float
    test: float
    epochs: int = 0


# On sherlock the order by test differs from the order by validation; on novel a baseline wins.
LANGUAGE = {
    "sherlock-uniform": Result("uniform", 0, 6.31, 6.31),
    "sherlock-ngram5": Result("ngram", 412_345, 2.27, 2.29),
    "sherlock-rnn": Result("rnn", 75_123, 2.24, 2.26, 10),
    "sherlock-gru": Result("gru", 200_301, 2.02, 2.15, 12),
    "sherlock-lstm": Result("lstm", 262_501, 2.06, 2.09, 20),
    "sherlock-lstm-windows": Result("lstm", 262_501, 2.41, 2.44, 6),
    "novel-ngram3": Result("ngram", 91_234, 1.61, 1.66),
    "novel-lstm": Result("lstm", 2_345_678, 1.70, 1.74, 8),
    "sanguo-ngram3": Result("ngram", 188_000, 5.9, 6.0),
    "sanguo-lstm": Result("lstm", 3_456_789, 5.5, 5.6, 9),
}
# Tokens, prompt and continuation of each corpus.
TEXTS: dict[str, tuple[dict[str, str], str, str]] = {
    "sherlock": ({"kind": "characters"}, "It was ", 'the door, and I saw that he was "all <right>" & well.\nHolmes.'),
    "novel": ({"kind": "words"}, "it is a truth", "universally acknowledged , that a <unk> man must be in want ."),
    "sanguo": ({"kind": "words", "language": "zh"}, "却说曹操", "引军至城下，<unk>见城上旗号，大惊曰：“吾中计矣！”"),
}
LABELS = ("andersen", "austen", "doyle")
# The readers of the other corpora, and their token stores.
CORPORA: dict[str, dict[str, Any]] = {
    "fairytales20": {"reader": "text"},
    "fairytales100": {"reader": "text"},
    "authors": {"reader": "passages", "labels": {label: {"files": f"{label}.txt"} for label in LABELS}},
    "reuters-r8": {"reader": "documents"},
    "digits": {"reader": "digits"},
    "en-nl": {"reader": "pairs"},
    "sines": {"reader": "series"},
    "sunspots": {"reader": "series"},
}
TOKENS: dict[str, dict[str, Any]] = {
    "fairytales20-bigrams": {"corpus": "fairytales20", "kind": "bigrams"},
    "fairytales20-characters": {"corpus": "fairytales20", "kind": "characters"},
    "fairytales100-bigrams": {"corpus": "fairytales100", "kind": "bigrams"},
    "authors-characters": {"corpus": "authors", "kind": "characters"},
    "news-words": {"corpus": "reuters-r8", "kind": "words", "language": "en"},
    "digits-images": {"corpus": "digits", "kind": "images"},
    "en-nl-subwords": {"corpus": "en-nl", "kind": "subword-pairs", "size": 6000},
    "en-nl-words": {"corpus": "en-nl", "kind": "word-pairs"},
    "sines-values": {"corpus": "sines", "kind": "series"},
    "sunspots-values": {"corpus": "sunspots", "kind": "series"},
}
# Spans of copy and adding (low, median, high), and the decay of the gradient, before and after training.
MEMORY = {
    "rnn": ((5, 10, 10), (0, 5, 10), 0.7, 0.9),
    "rnn-relu": ((0, 0, 5), (0, 0, 0), 0.6, 1.08),
    "gru": ((80, 160, 160), (40, 80, 160), 0.8, 0.97),
    "lstm": ((80, 160, 160), (160, 160, 160), 0.75, 0.985),
    "scrn": ((20, 40, 40), (10, 20, 40), 0.93, 0.95),
}
# Settings that differ from those of news-lstm, and how many of 100 documents of each label are right.
CLASSIFIED: dict[str, tuple[str, dict[str, Any], int]] = {
    "news-tfidf": ("tfidf", {}, 85),
    "news-lstm-gates": ("lstm-gates", {}, 89),
    "news-lstm": ("lstm", {}, 90),
    "news-birnn": ("birnn", {"cell": "lstm"}, 95),
    "news-lstm-dropout": ("lstm", {"dropout": 0.3}, 92),
    "news-lstm-relu": ("lstm", {"dense": 64}, 91),
}
# Accuracy of digit, direction and both.
VIDEOS = {"cnn-lstm": (0.985, 0.99, 0.975), "cnn": (0.9, 0.14, 0.13), "lstm": (0.62, 0.91, 0.57)}
# Exact match by number of digits.
CAPTIONED = {
    "captions-nearest": ("nearest", (0.5, 0.2, 0.05)),
    "captions-gru": ("cnn-gru", (0.98, 0.96, 0.93)),
    "captions-lstm": ("cnn-lstm", (0.99, 0.97, 0.95)),
}
CAPTIONS = ("three seven one", "two five", "zero nine nine eight", "four six", "one one", "eight zero two")
# Architecture and RMSE, by corpus.
FORECAST = {
    "sines": {"sines-last": ("last", 0.4), "sines-ar": ("ar", 0.2), "sines-fc5": ("fc", 0.1)},
    "sunspots": {"sunspots-last": ("last", 21.0), "sunspots-fc5": ("fc", 18.5), "sunspots-lstm3": ("lstm", 18.25)},
}
# Architecture, BLEU of validation and test, perplexity, BLEU by source length.
TRANSLATED = {
    "en-nl-copy": ("copy", (9.8, 10.1), None, (12.0, 10.5, 10.1, 9.7, 9.0, 11.2)),
    "en-nl-nearest": ("nearest", (13.2, 12.9), None, (25.1, 14.0, 10.2, 8.8, 7.7, 6.1)),
    "en-nl-seq2seq": ("seq2seq", (21.0, 20.4), 19.8, (38.2, 29.9, 20.1, 15.2, 9.4, 3.3)),
    "en-nl-attention": ("attention", (30.2, 29.6), 12.1, (41.7, 34.3, 29.8, 27.1, 24.4, 18.0)),
    "en-nl-attention-luong": ("attention", (29.1, 29.9), 12.6, (41.0, 34.9, 28.8, 26.2, 24.0, 19.1)),
    "en-nl-attention-words": ("attention", (24.5, 24.1), 16.0, (40.3, 31.0, 24.6, 20.0, 17.8, 12.1)),
}
BINS = ((1, 3, 212), (4, 6, 604), (7, 10, 512), (11, 15, 238), (16, 25, 81), (26, None, 14))
# Sentences with their references; the last has too few words to be picked.
SENTENCES = [
    (f"The device of number {number} is <b>not</b> here & cannot be found.", f"Het apparaat {number} is <b>niet</b> &.")
    for number in range(11)
] + [("Turn off", "Uitschakelen")]


def rounded(value: float) -> float:
    return float(f"{value:.6g}")


class Project:
    """A project folder with results of experiments, of which only the settings are checked."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.content: dict[str, Any] = {"profile": "laptop", "corpora": {}, "tokens": {}, "experiments": {}}

    def add(
        self,
        name: str,
        task: str,
        tokens: str,
        model: dict[str, Any],
        scores: dict[str, float],
        test: dict[str, float] | None = None,
        parameters: int = 6000,
        **more: Any,
    ) -> None:
        """Add an experiment with its scores on both splits; `test` changes those of the test split.

        A model with hidden units is trained, unless `more` says otherwise.
        """
        training = {"training": {"epochs": 5, "learning_rate": 0.001}} if "hidden" in model else {}
        settings = {"task": task, "tokens": tokens, "model": model, **training, **more}
        self.content.setdefault("dependent" if "needs" in settings else "experiments", {})[name] = settings
        metrics = {
            "experiment": name,
            "task": task,
            "tokens": tokens,
            "architecture": model["architecture"],
            "parameters": parameters,
            "vocabulary_size": 1500,
            "fingerprint": "0" * 64,
            "question": {"asked": "the whole text", "valid": "3" * 64, "test": "4" * 64},
            "valid": scores,
            "test": scores | (test or {}),
        }
        self.write(f"metrics/{name}.json", json.dumps(metrics))

    def write(self, path: str, content: str | bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    def file(self, name: str, file: str, content: object) -> None:
        """Write a JSON file of the predictions."""
        self.write(f"predictions/{name}/{file}", json.dumps(content, ensure_ascii=False))

    def table(self, name: str, file: str, columns: str, rows: Any) -> None:
        """Write a CSV file of the predictions."""
        table = pd.DataFrame(list(rows), columns=columns.split(","), dtype=object)
        self.write(f"predictions/{name}/{file}", table.to_csv(index=False, float_format="%.6g"))

    def save(self) -> Path:
        write_settings(self.root, self.content)
        return self.root


def change(root: Path, experiment: str, split: str, **scores: float) -> None:
    """Change scores of an experiment; split "both" is both."""
    path = root / "metrics" / f"{experiment}.json"
    metrics = json.loads(path.read_text())
    for each in ("valid", "test") if split == "both" else (split,):
        metrics[each] |= scores
    path.write_text(json.dumps(metrics))


def write(root: Path, results: dict[str, Result] = LANGUAGE, without: tuple[str, ...] = ()) -> Path:
    """A project with these language models; no results for those in `without`."""
    project = Project(root)
    add_language_models(project, results)
    for name in without:
        (root / "metrics" / f"{name}.json").unlink()
        shutil.rmtree(root / "predictions" / name)
    return project.save()


def add_language_models(project: Project, results: dict[str, Result]) -> None:
    for name, (architecture, parameters, *bits, epochs) in results.items():
        corpus = name.partition("-")[0]
        entry, prompt, text = TEXTS[corpus]
        tokens = f"{corpus}-{entry['kind']}"
        source = {"kind": "literal", "text": "hello hello"}
        project.content["corpora"][corpus] = {"reader": "text", "source": source}
        project.content["tokens"][tokens] = {"corpus": corpus, **entry}
        valid, test = (
            {
                "bits_per_character": each,
                "perplexity": rounded(2 ** (each * (4.6 if corpus == "novel" else 1.0))),
                "accuracy": 0.9 / (1 + each),
            }
            for each in bits
        )
        model: dict[str, Any] = {"architecture": architecture}
        model |= {"ngram": {"order": 3}, "uniform": {}}.get(architecture, {"hidden": 128})
        more = {"training": {"epochs": epochs, "learning_rate": 0.001}} if epochs else {}
        project.add(name, "language", tokens, model, valid, test, parameters, **more)
        strategies = ("greedy", "temperature 0.7", "top-k 10")
        samples = [{"prompt": prompt, "strategy": strategy, "text": text} for strategy in strategies]
        project.file(name, "samples.json", samples)
        final = valid["perplexity"]
        rows = [] if epochs else [(0, 0.6 * final, final)]
        for e in range(1, epochs + 1):
            curve = 1 + (final - 1) * (1 + 1.8 * 0.68**e + 0.004 * max(0, e - 12))
            rows.append((e, 1 + (final - 1) * (0.88 + 2.9 * 0.62**e), curve))
        project.table(name, "curve.csv", "epoch,train_perplexity,valid_perplexity", rows)


def write_boards(root: Path) -> Path:
    """The language models, and experiments of every other task, with the files of their evaluations."""
    project = Project(root)
    add_language_models(project, LANGUAGE)
    members = [{"path": "*.txt", "sha256": "0" * 64}]
    source = {"kind": "package", "files": [{"package": "a", "file": "a.whl", "members": members}]}
    project.content["corpora"] |= {name: {**corpus, "source": source} for name, corpus in CORPORA.items()}
    project.content["tokens"] |= TOKENS
    for add in ADD:
        add(project)
    return project.save()


def add_memory(project: Project) -> None:
    for cell, (copy, adding, initial, trained) in MEMORY.items():
        scores = {
            f"memory_span_{probe}{end}": float(value)
            for probe, span in (("copy", copy), ("adding", adding))
            for end, value in zip(("_low", "", "_high"), span, strict=True)
        }
        scores |= {"memory_span": (copy[1] + adding[1]) / 2, "perplexity": 9.0}
        scores |= {"gradient_decay_initial": initial, "gradient_decay_trained": trained}
        more = {"recall": {"lags": [5, 10, 20, 40, 80, 160], "seeds": 3}, "training": {"epochs": 5}}
        name = f"memory-{cell}"
        project.add(name, "memory", "sherlock-characters", {"architecture": cell}, scores, **more)
        rates = (("initial", initial), ("trained", trained))
        gradients = [(when, distance, rate**distance / 10) for when, rate in rates for distance in range(99)]
        project.table(name, "gradients.csv", "when,distance,norm", gradients)
        norms = [(1 + trained) * (0.3 + 2.5 * math.exp(-step / 40) + 9.0 * (step % 97 == 13)) for step in range(500)]
        clipping = [(step, norm, min(1.0, norm)) for step, norm in enumerate(norms, 1)]
        project.table(name, "clipping.csv", "step,before,after", clipping)


def add_fairytales(project: Project) -> None:
    for name, unrest, steps in (
        ("fairytales100-rnn", 0.03, 50),
        ("fairytales100-scrn", 0.004, 50),
        ("fairytales20-rnn", 0.05, 50),
        ("fairytales20-rnn-nounroll", 1.0, 1),
    ):
        corpus, architecture = name.split("-")[:2]
        model = {"architecture": architecture, "hidden": 64} | ({"context": 64} if architecture == "scrn" else {})
        final = 21.0 + 30 * unrest
        scores = {"perplexity": final, "bits_per_character": 2.1 + unrest}
        batches = {"kind": "streams", "steps": steps}
        project.add(name, "language", f"{corpus}-bigrams", model, scores, batches=batches)
        rows = [
            (e, final * (0.9 + 0.9 * 0.6**e), final * (1 + 0.8 * 0.6**e) * (1 + unrest * (-1) ** e))
            for e in range(1, 16)
        ]
        project.table(name, "curve.csv", "epoch,train_perplexity,valid_perplexity", rows)
    transfers: dict[str, tuple[float, dict[str, Any]]] = {
        "scratch": (2.4, {}),
        "untouched": (2.6, {"needs": "models/sherlock-lstm", "training": None}),
        "finetuned": (2.1, {"needs": "models/sherlock-lstm"}),
    }
    for kind, (bits, more) in transfers.items():
        name, final = f"fairytales20-lstm-{kind}", rounded(2**bits)
        scores = {"perplexity": final, "bits_per_character": bits}
        model = {"architecture": "lstm", "hidden": 128}
        test = {"bits_per_character": bits + 0.05}
        project.add(name, "language", "fairytales20-characters", model, scores, test, **more)
        rows = [(e, 1.1 * final, final + 0.2 / e, bits + 0.3 / e - 0.06) for e in range(1, 6)]
        columns = "epoch,train_perplexity,valid_perplexity,valid_bits_per_character"
        project.table(name, "curve.csv", columns, rows)


def add_cloze(project: Project) -> None:
    for name, direction, accuracy in (("novel-cloze-rnn", "left", 0.14), ("novel-cloze-birnn", "both", 0.21)):
        model = {"architecture": "rnn", "hidden": 64, "direction": direction}
        scores = {"accuracy": accuracy, "top5_accuracy": 2 * accuracy, "perplexity": 30 / accuracy}
        project.add(name, "cloze", "novel-words", model, scores)
        blanks = []
        for text, word in (("a truth ____ known", "well"), ("she was <b>not</b> ____ to be pleased", "mr.")):
            # The model that reads the left side alone does not guess the word of the last blank.
            guess = "a" if direction == "left" and word == "mr." else word
            guesses = [{"word": each, "probability": share} for each, share in (("and", 0.3), (guess, accuracy))]
            blanks.append({"text": text, "word": word, "probability": accuracy, "guesses": guesses})
        project.file(name, "blanks.json", blanks)
        rows = [(e, 30 / accuracy + 20 / e) for e in range(1, 4)]
        project.table(name, "curve.csv", "epoch,valid_perplexity", rows)


def add_word_numbers(project: Project) -> None:
    for name, model, rmse in (
        ("novel-numbers-fc5", {"architecture": "fc", "window": 5, "hidden": 5}, 910.5),
        ("novel-numbers-mean", {"architecture": "mean", "window": 5}, 1012.0),
    ):
        scores = {"rmse": rmse, "mae": 0.7 * rmse, "accuracy": 0.0012}
        project.add(name, "forecasting", "novel-words", model, scores, series="words")
        texts = {"the true text": "and I am sure of it", "free-running": "sunk whimsical obstinacy forgot"}
        samples = [{"prompt": "said ", "strategy": strategy, "text": text} for strategy, text in texts.items()]
        project.file(name, "samples.json", samples)
        if "hidden" in model:
            project.table(name, "curve.csv", "epoch,train_rmse,valid_rmse", [(1, rmse, rmse + 80), (2, rmse, rmse)])


def add_confusion(project: Project, name: str, file: str, labels: tuple[str, ...], right: int) -> None:
    """Of 100 of each label, `right` are classified as it, and the others as the label after it."""
    counts = (right, 100 - right, *[0] * (len(labels) - 2))
    rows = [
        (actual, labels[(place + shift) % len(labels)], count)
        for place, actual in enumerate(labels)
        for shift, count in enumerate(counts)
    ]
    project.table(name, file, "actual,predicted,count", rows)


def add_curve(project: Project, name: str, accuracy: float) -> None:
    # The loss is lowest in the third epoch, the accuracy highest in the last.
    rows = [(e, 0.5 / e, 0.2 + 0.03 * abs(e - 3), accuracy * (1 - 0.4 / e**2)) for e in range(1, 6)]
    project.table(name, "curve.csv", "epoch,train_loss,valid_loss,valid_accuracy", rows)


def add_classification(project: Project) -> None:
    for name, (architecture, changes, right) in CLASSIFIED.items():
        model = {"architecture": architecture}
        if architecture != "tfidf":
            model |= {"hidden": 64} | changes
            add_curve(project, name, right / 100)
        scores = {"accuracy": right / 100, "macro_f1": right / 103, "documents": 300}
        test = {"accuracy": rounded(right / 100 + 0.005)}
        project.add(name, "classification", "news-words", model, scores, test)
        add_confusion(project, name, "confusion.csv", ("acq", "crude", "earn"), right)
        wrong = [("acq", "earn", 0.9 - k / 50, f"shares of <b>{name}</b> {k} rose & fell") for k in range(20)]
        project.table(name, "mistakes.csv", "actual,predicted,probability,text", wrong)
    for name, model, right, more in (
        ("states", {"architecture": "language-model", "hidden": 32}, 92, {"needs": "models/sherlock-lstm"}),
        ("histogram", {"architecture": "histogram"}, 80, {"training": {"epochs": 5, "learning_rate": 0.001}}),
    ):
        scores = {"accuracy": right / 100, "macro_f1": right / 100}
        project.add(f"authors-{name}", "classification", "authors-characters", model, scores, **more)
        add_confusion(project, f"authors-{name}", "confusion.csv", LABELS, right)


def add_videos(project: Project) -> None:
    for architecture, (digit, direction, both) in VIDEOS.items():
        name = f"videos-{architecture}"
        model = {"architecture": architecture} | ({"hidden": 64} if "lstm" in architecture else {})
        scores = {"accuracy": both, "macro_f1": both, "digit_accuracy": digit, "direction_accuracy": direction}
        training = {"epochs": 5, "learning_rate": 0.001}
        project.add(name, "video", "digits-images", model, scores, training=training)
        add_curve(project, name, both)
        add_confusion(project, name, "confusion.csv", tuple(map(str, range(10))), round(100 * digit))
        add_confusion(project, name, "directions.csv", ("up", "right", "down", "left"), round(100 * direction))


def picture(number: int) -> bytes:
    """A PNG image of 320 x 80 grey pixels."""
    file = io.BytesIO()
    pixels = bytes((x * number * 7 + 13 * y) % 256 for y in range(10) for x in range(40))
    Image.frombytes("L", (40, 10), pixels).resize((320, 80), 0).save(file, "PNG")
    return file.getvalue()


def add_captions(project: Project) -> None:
    for name, (architecture, exact) in CAPTIONED.items():
        model, captions = {"architecture": architecture}, [CAPTIONS[0]] * len(CAPTIONS)
        if architecture != "nearest":
            # One letter is missing.
            model, captions = model | {"hidden": 64}, [CAPTIONS[0], "two fiv", *CAPTIONS[2:]]
            for place, words in enumerate(CAPTIONS[:5], 1):
                path = f"predictions/{name}/images/{place:02}-{words.replace(' ', '-')}.png"
                project.write(path, picture(place))
        mean = rounded(sum(exact) / 3)
        scores = {"exact_match": mean, "character_error_rate": (1 - mean) / 4}
        project.add(name, "captioning", "digits-images", model, scores)
        project.table(name, "captions.csv", "reference,caption", zip(CAPTIONS, captions, strict=True))
        lengths = [(digits, 300 + digits, share) for digits, share in enumerate(exact, 2)]
        project.table(name, "lengths.csv", "digits,images,exact_match", lengths)


def add_forecasts(project: Project) -> None:
    for corpus, entries in FORECAST.items():
        # Sunspots by month, one split after the other; sines by number, the validation split last.
        monthly = corpus == "sunspots"
        lengths = {"train": 300, "valid": 60, "test": 60} if monthly else {"train": 500, "test": 250, "valid": 100}
        moments = [(split, number) for split, length in lengths.items() for number in range(length)]
        for name, (architecture, rmse) in entries.items():
            model: dict[str, Any] = {"architecture": architecture} | ({} if architecture == "last" else {"window": 5})
            model |= {"hidden": 3} if architecture in ("fc", "lstm") else {}
            scores = {"rmse": rmse, "mae": 0.8 * rmse, "skill": 1 - rmse / 30, "rmse_free_running": 2 * rmse}
            project.add(name, "forecasting", f"{corpus}-values", model, scores)
            rows = []
            for place, (split, number) in enumerate(moments):
                time = f"{1749 + place // 12}-{place % 12 + 1:02}" if monthly else str(place)
                value = (60 if monthly else 1) * (1 + math.sin(place / 21))
                rows.append((split, time, value, None if number < 5 else value + rmse / 3))
            project.table(name, "forecasts.csv", "split,time,value,forecast", rows)
            test: list[Any] = [row for row in rows if row[0] == "test"][5:]
            free = [
                (origin, step, *test[start + step - 1][1:3], test[start][2] + rmse * step / 20)
                for origin, start in ((1, 0), (2, 20))
                for step in range(1, 21)
            ]
            project.table(name, "free.csv", "origin,step,time,value,forecast", free)
            project.table(name, "steps.csv", "step,rmse", [(step, rmse * (1 + step / 10)) for step in range(1, 21)])


def add_translations(project: Project) -> None:
    signatures = {"bleu": "nrefs:1|tok:13a|version:2.6.0", "chrf": "nrefs:1|nc:6|version:2.6.0"}
    for name, (architecture, bleu, perplexity, by_length) in TRANSLATED.items():
        kind, model = "words" if name.endswith("words") else "subwords", {"architecture": architecture}
        valid, test = ({"bleu": value, "chrf": 20 + value} for value in bleu)
        if perplexity:
            model |= {"hidden": 256}
            for each in (valid, test):
                each |= {"perplexity": perplexity, "bleu_greedy": rounded(each["bleu"] - 0.7)}
            test |= {"score_beam": -0.412, "score_greedy": -0.4371, "beam_below_greedy": 0.0123}
            rows = [(e, perplexity * (0.8 + 0.7**e), perplexity * (1 + 0.6**e)) for e in range(1, 9)]
            project.table(name, "curve.csv", "epoch,train_perplexity,valid_perplexity", rows)
        project.add(name, "translation", f"en-nl-{kind}", model, valid, test)
        path = project.root / "metrics" / f"{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"signatures": signatures}))
        bins = [(*each, value) for each, value in zip(BINS, by_length, strict=True)]
        project.table(name, "lengths.csv", "low,high,sentences,bleu", bins)
        translations = []
        for index, (source, reference) in enumerate(SENTENCES):
            # The earlier a sentence, the better; the first two are equally good.
            said = {"copy": source, "nearest": SENTENCES[index - 1][1]}.get(architecture, reference[: 99 - 5 * index])
            chrf = max(0.0, (100 if index < 2 else 95 - 6 * index) - (30 - bleu[1]))
            translations.append((source, reference, said, chrf))
        project.table(name, "translations.csv", "source,reference,translation,chrf", translations)
        if architecture == "attention":
            project.file(name, "attention.json", [weights(*pair) for pair in SENTENCES[:3]])


def weights(source: str, target: str) -> dict[str, Any]:
    """Attention along the sentence, each row summing to one."""
    read, written = ([*text.split(), "</s>"] for text in (source, target))
    rows = []
    for i in range(len(written)):
        row = [math.exp(-abs(j - i * (len(read) - 1) / (len(written) - 1)) / 0.6) for j in range(len(read))]
        rows.append([rounded(value / sum(row)) for value in row])
    return {"source": read, "target": written, "weights": rows}


def add_contexts(project: Project) -> None:
    for name, used in (("sherlock-gru", 32), ("sherlock-lstm", 16), ("novel-lstm", 8), ("fairytales100-scrn", 16)):
        change(project.root, name, "both", shuffle_preference=0.91, context_tokens=used)
        full = json.loads((project.root / "metrics" / f"{name}.json").read_text())["test"]["perplexity"]
        rows = [("test", 2**k, full * (1 + 1.5 * math.exp(-2 * 2**k / used))) for k in range(7)]
        rows = [("valid", None, 5), *rows, ("test", None, full)]
        project.table(name, "context.csv", "split,tokens,perplexity", rows)


ADD: list[Callable[[Project], None]] = [
    add_memory, add_fairytales, add_cloze, add_word_numbers, add_classification, add_videos, add_captions,
    add_forecasts, add_translations, add_contexts,
]  # fmt: skip


@pytest.fixture(scope="session")
def boards(tmp_path_factory):
    """A folder with invented results of every task, compared; tests only read it."""
    root = write_boards(tmp_path_factory.mktemp("boards"))
    compare(root)
    return root


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A folder with invented language models, compared; tests only read it."""
    root = write(tmp_path_factory.mktemp("project"))
    compare(root)
    return root


@pytest.fixture
def copied(boards, tmp_path):
    """A copy of `boards` that a test may change."""
    return Path(shutil.copytree(boards, tmp_path / "project"))
