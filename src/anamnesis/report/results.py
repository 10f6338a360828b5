"""The results of all experiments in params.yaml, read from the files of the evaluate stage."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import TypeAdapter

# pydantic validates those of `typing` on Python 3.12 and later only.
from typing_extensions import TypedDict

from anamnesis import files, params
from anamnesis.boards import BOARDS, Question, question_of
from anamnesis.errors import AnamnesisError

if TYPE_CHECKING:
    from pandas import DataFrame

SPLITS = ("valid", "test")
# Architectures that ignore the order of a text are baselines, although gradients may train them.
UNORDERED = ("histogram",)
Item = TypeVar("Item")


@dataclass(frozen=True)
class Result:
    """The scores and settings of one experiment.

    Attributes:
        scores: `scores[split][metric]`; means over seeds if the experiment was repeated.
        question: experiments with equal questions compete; `asked` describes it.
        settings: the experiment's entry in params.yaml.
        token_settings: the entry of its token store.
        vocabulary: number of different tokens, if the metrics state it.
        signatures: how sacrebleu computed BLEU and chrF, by metric.
        spread: sample standard deviations over seeds, `spread[split][metric]`; empty without repetitions.
        repeats: the result with each seed, this experiment first; empty without repetitions.
    """

    experiment: str
    task: str
    corpus: str
    tokens: str
    architecture: str
    baseline: bool
    parameters: int
    scores: dict[str, dict[str, float]]
    question: Question
    asked: str
    settings: Any
    token_settings: Any
    vocabulary: int | None = None
    signatures: dict[str, str] = field(default_factory=dict)
    spread: dict[str, dict[str, float]] = field(default_factory=dict)
    repeats: tuple["Result", ...] = ()

    @property
    def score(self) -> float:
        """The validation score that ranks the experiment on its leaderboard."""
        return self.scores["valid"][BOARDS[self.task].metric]

    @property
    def language(self) -> str | None:
        """ISO 639 code of the text, if params.yaml states it."""
        return getattr(self.token_settings, "language", None)

    @property
    def languages(self) -> tuple[str, str] | None:
        """ISO 639 codes of source and target of a translation."""
        return getattr(self.token_settings, "languages", None)


class Results(NamedTuple):
    """All results, in the order of params.yaml.

    `missing` maps an experiment without metrics to the DVC stage that computes them; `damaged` maps an experiment
    with unreadable metrics to an error message.
    """

    profile: str
    results: list[Result]
    missing: dict[str, str]
    damaged: dict[str, str]


class Curve(NamedTuple):
    """A learning curve.

    `epochs` has the columns epoch, train and valid; `best_epoch` has the lowest validation loss.
    """

    measure: str
    epochs: "DataFrame"
    best_epoch: int | None


class Sample(TypedDict):
    """A generated text: `text` continues `prompt`; `strategy` describes the decoding."""

    prompt: str
    strategy: str
    text: str


class Guess(TypedDict):
    """A word and its probability."""

    word: str
    probability: float


class Blank(TypedDict):
    """A sentence with `____` for one word, the probability of that word, and the likeliest words."""

    text: str
    word: str
    probability: float
    guesses: list[Guess]


class Attention(TypedDict):
    """Attention in one sentence: `weights[i][j]` of source token j when the network wrote target token i."""

    source: list[str]
    target: list[str]
    weights: list[list[float]]


def load(root: Path) -> Results:
    """Read the metrics of all experiments in `root`/params.yaml.

    Raises:
        ParamsError: params.yaml is not valid.
        AnamnesisError: no experiment has readable metrics.
    """
    settings = params.load(root / "params.yaml")
    loaded = Results(settings.profile, [], {}, {})
    for name, experiment in settings.experiments.items():
        path = root / "metrics" / f"{name}.json"
        if not path.is_file():
            suffix = "-dependent" if name in settings.dependent else ""
            loaded.missing[name] = f"evaluate{suffix}@{name}"
            continue
        try:
            loaded.results.append(_read_result(path, name, experiment, settings.tokens[experiment.tokens]))
        except AnamnesisError as error:
            loaded.damaged[name] = str(error)
    if not loaded.results:
        nothing = f"no experiment of {root / 'params.yaml'} has metrics yet; run `dvc repro` first"
        raise AnamnesisError(next(iter(loaded.damaged.values()), nothing))
    return loaded


def _read_result(path: Path, name: str, experiment: Any, tokens: Any) -> Result:
    metrics = files.read_json(path, hint(name))
    try:
        scores = {
            split: {key: float(value) for key, value in metrics[split].items() if value is not None} for split in SPLITS
        }
        for split in SPLITS:
            if BOARDS[experiment.task].metric not in scores[split]:
                raise KeyError(BOARDS[experiment.task].metric)
            if infinite := [value for value in scores[split].values() if not math.isfinite(value)]:
                raise ValueError(infinite[0])
        question, asked = question_of(experiment.task, tokens.corpus, metrics)
        return Result(
            experiment=name,
            task=experiment.task,
            corpus=tokens.corpus,
            tokens=experiment.tokens,
            architecture=metrics["architecture"],
            baseline=experiment.training is None or experiment.model.architecture in UNORDERED,
            parameters=int(metrics["parameters"]),
            scores=scores,
            question=question,
            asked=asked,
            settings=experiment,
            token_settings=tokens,
            vocabulary=metrics.get("vocabulary_size"),
            signatures=dict(metrics.get("signatures", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AnamnesisError(f"{path}: not the metrics of an experiment: {error!r}; {hint(name)}") from None


def table(root: Path, experiment: str, name: str, columns: Mapping[str, type]) -> "DataFrame":
    """The columns of predictions/EXPERIMENT/NAME, a CSV file; an empty number is NaN. Without the file, no rows.

    Raises:
        AnamnesisError: the file is damaged.
    """
    from pandas import DataFrame, read_csv

    path = root / "predictions" / experiment / name
    if not path.is_file():
        return DataFrame(columns=list(columns))
    numbers = {column: [""] for column, kind in columns.items() if kind is float}
    try:
        # Only an empty number is missing: the text "NA" stays a text.
        frame: DataFrame = read_csv(
            path,
            usecols=list(columns),
            dtype=dict(columns),
            keep_default_na=False,
            na_values=numbers,
        )
    except (OSError, ValueError) as error:
        raise AnamnesisError(f"{path}: cannot be read: {_line(error)}; {hint(experiment)}") from None
    return frame[list(columns)]


def records(frame: "DataFrame") -> list[dict[str, Any]]:
    """The rows of a table, by column."""
    return [{str(column): value for column, value in row.items()} for row in frame.to_dict("records")]


def curve(root: Path, experiment: str, measure: str | None = None) -> Curve | None:
    """The learning curve of an experiment, from predictions/EXPERIMENT/curve.csv; None without the file.

    Args:
        measure: reads the columns `train_MEASURE`, if present, and `valid_MEASURE`; None: the first `valid_` column.

    Raises:
        AnamnesisError: the file is damaged.
    """
    from pandas import DataFrame, read_csv, to_numeric

    path = root / "predictions" / experiment / "curve.csv"
    if not path.is_file():
        return None
    try:
        frame = read_csv(path)
        measures = [column.removeprefix("valid_") for column in map(str, frame) if column.startswith("valid_")]
        measure = measure or measures[0]
        valid = to_numeric(frame[f"valid_{measure}"])
        train = to_numeric(frame[f"train_{measure}"]) if f"train_{measure}" in frame else math.nan
        epochs = DataFrame({"epoch": frame["epoch"].astype(int), "train": train, "valid": valid})
        loss = to_numeric(frame["valid_loss"]) if "valid_loss" in frame else valid
    except (OSError, KeyError, IndexError, TypeError, ValueError) as error:
        raise AnamnesisError(f"{path}: not a learning curve: {_line(error)}; {hint(experiment)}") from None
    best = None if loss.isna().all() else int(epochs["epoch"].iloc[int(loss.argmin())])
    return Curve(measure, epochs, best)


def items(root: Path, experiment: str, name: str, kind: type[Item]) -> list[Item]:
    """The list of typed dicts in predictions/EXPERIMENT/NAME, a JSON file; empty without the file.

    Raises:
        AnamnesisError: the file is damaged.
    """
    path = root / "predictions" / experiment / name
    if not path.is_file():
        return []
    try:
        content: list[Item] = TypeAdapter(list[kind]).validate_python(files.read_json(path, hint(experiment)))  # type: ignore[valid-type]
    except ValueError as error:
        raise AnamnesisError(f"{path}: not a list of {kind.__name__}: {_line(error)}; {hint(experiment)}") from None
    return content


def hint(experiment: str) -> str:
    """The command that restores the damaged files of an experiment."""
    return f"run `anamnesis repro {experiment}`"


def _line(error: Exception) -> str:
    """An error as one short line."""
    return " ".join(repr(error).split())[:200]
