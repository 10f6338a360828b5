"""The results of every experiment that params.yaml names, read from the files the earlier stages wrote."""

import csv
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anamnesis import files, params
from anamnesis.boards import BOARDS, Question, question_of
from anamnesis.errors import AnamnesisError

SPLITS = ("valid", "test")
FLOORS = ("histogram",)


@dataclass(frozen=True)
class Result:
    """The scores of one experiment; `scores[split][metric]`, `parameters` is a count of trained numbers.

    `question` says with which others it is ranked, `asked` is the same in words; `settings` is its entry of
    params.yaml, `kind` that of its tokens (characters, words, ...), `vocabulary` how many there are, where the metrics
    say so. Of translation,
    `languages` are those of source and target, `signatures` say how BLEU and chrF were computed. Where it stands for an
    experiment repeated with other seeds, `scores` are means, `spread[split][metric]` their sample standard deviations,
    and `repeats` the result with each seed, the first being that of the experiment itself; else both are empty.
    """

    experiment: str
    task: str
    corpus: str
    tokens: str
    kind: str
    language: str | None
    architecture: str
    baseline: bool
    parameters: int
    scores: dict[str, dict[str, float]]
    question: Question
    asked: str
    settings: Any = None
    vocabulary: int | None = None
    languages: tuple[str, str] | None = None
    signatures: dict[str, str] = field(default_factory=dict)
    spread: dict[str, dict[str, float]] = field(default_factory=dict)
    repeats: tuple["Result", ...] = ()

    def score(self) -> float:
        """The validation score that ranks it on its leaderboard."""
        return self.scores["valid"][BOARDS[self.task].metric]


@dataclass(frozen=True)
class Results:
    """What there is, in the order of params.yaml; of the others, by name:

    `missing`: the stage that would make the metrics; `damaged`: what is wrong with the metrics, and what to run.
    """

    profile: str
    results: list[Result]
    missing: dict[str, str]
    damaged: dict[str, str]


@dataclass(frozen=True)
class Epoch:
    """One point of a learning curve; None where the file has no number."""

    epoch: int
    train: float | None
    valid: float | None


@dataclass(frozen=True)
class Curve:
    """A learning curve; `measure` names what is measured after each epoch, such as perplexity.

    `kept` is the epoch whose weights were kept, that of the lowest validation loss; None where there is no number.
    """

    measure: str
    epochs: list[Epoch]
    kept: int | None = None


@dataclass(frozen=True)
class Sample:
    """A text a model wrote: `text` is the continuation of `prompt`, `strategy` is how tokens were drawn."""

    prompt: str
    strategy: str
    text: str


@dataclass(frozen=True)
class Blank:
    """A sentence with `____` for the word left out; the likeliest words a model has for it, and its own probability."""

    text: str
    word: str
    probability: float
    guesses: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Attention:
    """Where a network looked as it translated one sentence: weights[i][j] of source token j as it wrote target token i.

    `source` and `target` are the tokens as people read them.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]


def load(root: Path) -> Results:
    """Read the metrics of all experiments of `root`/params.yaml, which alone decides what is listed.

    Raises:
        ParamsError: params.yaml is not valid.
        AnamnesisError: no experiment has metrics, or all that have are damaged.
    """
    settings = params.load(root / "params.yaml")
    found = Results(settings.profile, [], {}, {})
    for name, experiment in settings.experiments.items():
        path = root / "metrics" / f"{name}.json"
        if not path.is_file():
            section = "-dependent" if name in settings.dependent else ""
            found.missing[name] = f"evaluate{section}@{name}"
            continue
        try:
            found.results.append(_result(path, name, experiment, settings.tokens[experiment.tokens]))
        except AnamnesisError as error:
            found.damaged[name] = str(error)
    if found.damaged and not found.results:
        raise AnamnesisError(next(iter(found.damaged.values())))
    if not found.results:
        raise AnamnesisError(f"no experiment of {root / 'params.yaml'} has metrics yet; run `dvc repro` first")
    return found


def _result(path: Path, name: str, experiment: Any, tokens: Any) -> Result:
    """The result of one experiment from its metrics.

    Raises:
        AnamnesisError: the file is damaged.
    """
    metrics = files.read_json(path, mend(name))
    ranked_by = BOARDS[experiment.task].metric
    try:
        scores = {
            split: {key: float(value) for key, value in metrics[split].items() if value is not None} for split in SPLITS
        }
        if any(ranked_by not in scores[split] for split in SPLITS):
            raise KeyError(ranked_by)
        if strange := [value for split in SPLITS for value in scores[split].values() if not math.isfinite(value)]:
            raise ValueError(strange[0])
        question, asked = question_of(experiment.task, tokens.corpus, metrics)
        return Result(
            experiment=name,
            task=experiment.task,
            corpus=tokens.corpus,
            tokens=experiment.tokens,
            kind=tokens.kind,
            language=getattr(tokens, "language", None),
            architecture=metrics["architecture"],
            # What is fitted without gradients, or reads no order, is there to be beaten.
            baseline=experiment.training is None or experiment.model.architecture in FLOORS,
            parameters=int(metrics["parameters"]),
            scores=scores,
            question=question,
            asked=asked,
            settings=experiment,
            vocabulary=metrics.get("vocabulary_size"),
            languages=_pair(getattr(tokens, "languages", None)),
            signatures=dict(metrics.get("signatures", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AnamnesisError(f"{path}: not the metrics of an experiment: {error!r}; {mend(name)}") from None


def curve(root: Path, experiment: str, measure: str | None = None) -> Curve | None:
    """The learning curve of one experiment, None where the evaluation left none.

    Of the columns of curve.csv it is `valid_MEASURE`, or the first `valid_...` without a measure, with the `train_...`
    of the same name where there is one. Where there is no `valid_loss`, the measure falls and rises with the loss.

    Raises:
        AnamnesisError: the file is damaged.
    """
    path = _file(root, experiment, "curve.csv")
    if not path.is_file():
        return None
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            measure = measure or next(
                name.removeprefix("valid_") for name in rows.fieldnames or () if name.startswith("valid_")
            )
            if f"valid_{measure}" not in (rows.fieldnames or ()):
                raise KeyError(f"valid_{measure}")
            table = list(rows)
            epochs = [
                Epoch(int(row["epoch"]), _number(row.get(f"train_{measure}")), _number(row[f"valid_{measure}"]))
                for row in table
            ]
            losses = [
                (loss, int(row["epoch"]))
                for row in table
                if (loss := _number(row.get("valid_loss") or row[f"valid_{measure}"])) is not None
            ]
    except (OSError, csv.Error, StopIteration, KeyError, TypeError, ValueError) as error:
        raise AnamnesisError(f"{path}: not a learning curve: {error!r}; {mend(experiment)}") from None
    return Curve(measure, epochs, min(losses, default=(0.0, None))[1])


def table(root: Path, experiment: str, name: str, fields: dict[str, type[str | float]]) -> list[dict[str, Any]]:
    """The named columns of the CSV file predictions/EXPERIMENT/NAME, each of its type, an empty number being None.

    There are no rows where the evaluation left no such file.

    Raises:
        AnamnesisError: the file is damaged.
    """
    path = _file(root, experiment, name)
    if not path.is_file():
        return []
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if missing := sorted(set(fields) - set(rows.fieldnames or ())):
                raise KeyError(missing[0])
            return [
                {key: row[key] if kind is str else _number(row[key]) for key, kind in fields.items()} for row in rows
            ]
    except (OSError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise AnamnesisError(f"{path}: cannot be read: {error!r}; {mend(experiment)}") from None


def blanks(root: Path, experiment: str) -> list[Blank]:
    """The blanks that one experiment filled in, empty where the evaluation left none.

    Raises:
        AnamnesisError: the file is damaged.
    """
    path = _file(root, experiment, "blanks.json")
    if not path.is_file():
        return []
    try:
        return [
            Blank(
                str(item["text"]),
                str(item["word"]),
                float(item["probability"]),
                tuple((str(guess["word"]), float(guess["probability"])) for guess in item["guesses"]),
            )
            for item in files.read_json(path, mend(experiment))
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise AnamnesisError(f"{path}: not a list of blanks: {error!r}; {mend(experiment)}") from None


def samples(root: Path, experiment: str) -> list[Sample]:
    """The texts one experiment wrote, empty where the evaluation left none.

    Raises:
        AnamnesisError: the file is damaged.
    """
    path = _file(root, experiment, "samples.json")
    if not path.is_file():
        return []
    try:
        return [
            Sample(str(item["prompt"]), str(item["strategy"]), str(item["text"]))
            for item in files.read_json(path, mend(experiment))
        ]
    except (KeyError, TypeError) as error:
        raise AnamnesisError(f"{path}: not a list of samples: {error!r}; {mend(experiment)}") from None


def attention(root: Path, experiment: str) -> list[Attention]:
    """The attention of one network in a few sentences, empty where the evaluation left none.

    Raises:
        AnamnesisError: the file is damaged, or the weights are no matrix of target by source tokens.
    """
    path = _file(root, experiment, "attention.json")
    if not path.is_file():
        return []
    try:
        found = [
            Attention(
                tuple(map(str, item["source"])),
                tuple(map(str, item["target"])),
                tuple(tuple(map(float, row)) for row in item["weights"]),
            )
            for item in files.read_json(path, mend(experiment))
        ]
        for each in found:
            if len(each.weights) != len(each.target) or any(len(row) != len(each.source) for row in each.weights):
                raise ValueError("the weights do not fit the tokens")
    except (KeyError, TypeError, ValueError) as error:
        raise AnamnesisError(f"{path}: not attention weights: {error!r}; {mend(experiment)}") from None
    return found


def _pair(languages: list[str] | None) -> tuple[str, str] | None:
    return (languages[0], languages[1]) if languages else None


def _file(root: Path, experiment: str, name: str) -> Path:
    return root / "predictions" / experiment / name


def mend(experiment: str) -> str:
    """What to run where a file of an experiment's evaluation is damaged: what is in DVC's cache comes back from it."""
    return f"run `anamnesis repro {experiment}`"


def _number(text: str | None) -> float | None:
    return float(text) if text else None
