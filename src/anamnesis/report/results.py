"""The results of every experiment that params.yaml names, read from the files the earlier stages wrote."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anamnesis import params
from anamnesis.errors import AnamnesisError

SPLITS = ("valid", "test")
# The score by which a task's experiments are ranked on the validation split; lower is better.
RANKED_BY = {"language": "bits_per_character"}


@dataclass(frozen=True)
class Result:
    """The scores of one experiment; `scores[split][metric]`, `parameters` is a count of trained numbers."""

    experiment: str
    task: str
    corpus: str
    tokens: str
    language: str | None
    architecture: str
    baseline: bool
    parameters: int
    scores: dict[str, dict[str, float]]

    def ranking(self) -> float:
        """The validation score that ranks it; lower is better."""
        return self.scores["valid"][RANKED_BY[self.task]]


@dataclass(frozen=True)
class Results:
    """What there is, in the order of params.yaml, and the names of the experiments without metrics."""

    profile: str
    results: list[Result]
    missing: list[str]


@dataclass(frozen=True)
class Epoch:
    """One point of a learning curve; None where the file has no number."""

    epoch: int
    train_perplexity: float | None
    valid_perplexity: float | None


@dataclass(frozen=True)
class Sample:
    """A text a model wrote: `text` is the continuation of `prompt`, `strategy` is how tokens were drawn."""

    prompt: str
    strategy: str
    text: str


def load(root: Path) -> Results:
    """Read the metrics of all experiments of `root`/params.yaml, which alone decides what is listed.

    Raises:
        ParamsError: params.yaml is not valid.
        AnamnesisError: a metrics file is damaged, or no experiment has one.
    """
    settings = params.load(root / "params.yaml")
    results, missing = [], []
    for name, experiment in settings.experiments.items():
        path = root / "metrics" / f"{name}.json"
        if not path.is_file():
            missing.append(name)
            continue
        tokens = settings.tokens[experiment.tokens]
        metrics = _json(path)
        ranked_by = RANKED_BY[experiment.task]
        try:
            scores = {split: {key: float(value) for key, value in metrics[split].items()} for split in SPLITS}
            if any(ranked_by not in scores[split] for split in SPLITS):
                raise KeyError(ranked_by)
            result = Result(
                experiment=name,
                task=experiment.task,
                corpus=tokens.corpus,
                tokens=experiment.tokens,
                language=getattr(tokens, "language", None),
                architecture=metrics["architecture"],
                # What is fitted without gradients is there to be beaten.
                baseline=experiment.training is None,
                parameters=int(metrics["parameters"]),
                scores=scores,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise AnamnesisError(
                f"{path}: not the metrics of an experiment: {error!r}; evaluate {name} again"
            ) from None
        results.append(result)
    if not results:
        raise AnamnesisError(f"no experiment of {root / 'params.yaml'} has metrics yet; run `dvc repro` first")
    return Results(settings.profile, results, missing)


def curve(root: Path, experiment: str) -> list[Epoch]:
    """The learning curve of one experiment, empty where the evaluation left none.

    Raises:
        AnamnesisError: the file is damaged.
    """
    path = root / "predictions" / experiment / "curve.csv"
    if not path.is_file():
        return []
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return [
                Epoch(int(row["epoch"]), _number(row.get("train_perplexity")), _number(row.get("valid_perplexity")))
                for row in csv.DictReader(file)
            ]
    except (KeyError, TypeError, ValueError) as error:
        raise AnamnesisError(f"{path}: not a learning curve: {error!r}; evaluate {experiment} again") from None


def samples(root: Path, experiment: str) -> list[Sample]:
    """The texts one experiment wrote, empty where the evaluation left none.

    Raises:
        AnamnesisError: the file is damaged.
    """
    path = root / "predictions" / experiment / "samples.json"
    if not path.is_file():
        return []
    try:
        return [Sample(str(item["prompt"]), str(item["strategy"]), str(item["text"])) for item in _json(path)]
    except (KeyError, TypeError) as error:
        raise AnamnesisError(f"{path}: not a list of samples: {error!r}; evaluate {experiment} again") from None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AnamnesisError(f"{path}: not valid JSON: {error}; run its stage again") from None


def _number(text: str | None) -> float | None:
    return float(text) if text else None
