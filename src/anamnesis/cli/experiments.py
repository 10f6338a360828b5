"""The commands that show experiments: `list` and `show`."""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from anamnesis.cli import location, printing

commands = typer.Typer()


@commands.command("list", epilog="Example: anamnesis list")
def list_experiments() -> None:
    """List the experiments in params.yaml by task and corpus, with status and test score.

    The status is `evaluated`, `trained`, `changed` (the trained model has other settings) or `-`. In a pipe, the list
    is one tab-separated table.
    """
    from anamnesis import params
    from anamnesis.boards import BOARDS

    root = location.find()
    settings = params.load(root / "params.yaml")
    rows = []
    for name, experiment in settings.experiments.items():
        metrics = location.read_json(root / "metrics" / f"{name}.json")
        metric = BOARDS[experiment.task].metric
        status = _status(experiment, location.read_json(root / "models" / name / "model.json"), bool(metrics))
        corpus = settings.tokens[experiment.tokens].corpus
        score = metrics.get("test", {}).get(metric)
        rows.append(Row(name, experiment.task, corpus, experiment.tokens, experiment.model.architecture, status, score))
    if sys.stdout.isatty():
        _print_by_group(rows)
        return
    printing.table(
        ["experiment", "task", "corpus", "tokens", "architecture", "status", "ranked by", "test score"],
        [[*map(str, row[:-1]), BOARDS[row.task].metric.replace("_", " "), _number(row.score)] for row in rows],
    )


class Row(NamedTuple):
    """A row of `anamnesis list`; `score` is None if the experiment has not been evaluated."""

    experiment: str
    task: str
    corpus: str
    tokens: str
    architecture: str
    status: str
    score: float | None


def _status(experiment: Any, card: dict[str, Any], evaluated: bool) -> str:
    """The status of an experiment.

    Args:
        experiment: its settings.
        card: its model's card; empty if it is not trained.
        evaluated: whether it has metrics.
    """
    from anamnesis import params
    from anamnesis.errors import AnamnesisError

    if not card:
        return "-"
    try:
        current = params.experiment_of(card) == experiment
    except AnamnesisError:
        current = False
    return ("evaluated" if evaluated else "trained") if current else "changed"


def _print_by_group(rows: Sequence[Row]) -> None:
    """Print a table for each task and corpus, in the order of params.yaml, at most 80 columns wide."""
    from anamnesis.boards import BOARDS
    from anamnesis.report import formats

    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.task, row.corpus), []).append(row)
    widths = [max(map(len, column)) for column in zip(*map(_show, rows), strict=True)]
    for (name, corpus), members in groups.items():
        board = BOARDS[name]
        printing.heading(f"{corpus}: {board.title} Test {formats.name(board.metric)}.")
        for row in members:
            cells = [f"{cell:<{width}}" for cell, width in zip(_show(row), widths, strict=True)]
            score = "" if row.score is None else formats.score(board.metric, row.score)
            print("  ".join([*cells, f"{score:>9}"]))


def _show(row: Row) -> tuple[str, str, str]:
    """The columns before the score."""
    return row.experiment, row.architecture, row.status


@commands.command(epilog="Example: anamnesis show sherlock-lstm")
def show(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="A name that `anamnesis list` shows.")],
) -> None:
    """Show one experiment: its settings, its trained model, its scores and its samples."""
    import yaml

    from anamnesis import params

    root = location.find()
    settings = params.load(root / "params.yaml")
    entry = params.lookup(settings.experiments, experiment, "experiment")
    printing.heading("settings")
    printing.write(yaml.safe_dump(entry.model_dump(mode="json"), sort_keys=False, allow_unicode=True).rstrip())
    card = location.read_json(root / "models" / experiment / "model.json")
    if not card:
        print(f"\nnot trained yet: {location.command()} repro {experiment}")
        return
    printing.heading("model")
    for key in ("architecture", "parameters", "best_epoch", "seed", "fingerprint"):
        if card.get(key) is not None:
            printing.write(f"{key}: {card[key]}")
    metrics = location.read_json(root / "metrics" / f"{experiment}.json")
    if metrics:
        printing.heading("scores")
        names = list(metrics["test"])
        splits = [split for split in ("valid", "test") if split in metrics]
        printing.table(
            ["", *splits], [[name, *(_number(metrics[split].get(name)) for split in splits)] for name in names], 2
        )
    predictions = root / "predictions" / experiment
    translations = predictions / "translations.csv"
    if translations.exists():
        printing.heading("translations of the test split: source, = reference, < model")
        for row in _spread(translations, 5):
            printing.write(f"> {row['source']}\n= {row['reference']}\n< {row['translation']}\n")
    samples = location.read_json(predictions / "samples.json")
    if samples:
        printing.heading("samples")
        for sample in samples:
            printing.write(f"[{sample['strategy']}] {sample['prompt']}{sample['text']}\n")


def _number(value: float | int | None) -> str:
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)


def _spread(path: Path, number: int) -> list[dict[str, str]]:
    """Evenly spaced rows of a CSV file, the first one included."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [rows[index * len(rows) // number] for index in range(min(number, len(rows)))]
