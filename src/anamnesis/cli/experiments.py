"""The commands that show experiments, as params.yaml describes them and as far as they have been run."""

import csv
from pathlib import Path
from typing import Annotated

import typer

from anamnesis.cli import location, printing

commands = typer.Typer()


@commands.command("list", epilog="Example: anamnesis list")
def list_experiments() -> None:
    """List the experiments of params.yaml: what each trains on, and its scores as far as it has been run."""
    from anamnesis import params
    from anamnesis.boards import BOARDS

    root = location.find()
    settings = params.load(root / "params.yaml")
    rows = []
    for name, experiment in settings.experiments.items():
        metrics = location.read_json(root / "metrics" / f"{name}.json")
        status = "evaluated" if metrics else "trained" if (root / "models" / name / "model.json").exists() else "-"
        metric = BOARDS[experiment.board].metric
        score = _number(metrics.get("test", {}).get(metric))
        architecture = experiment.model.architecture
        rows.append([name, experiment.board, experiment.tokens, architecture, status, metric.replace("_", " "), score])
    printing.table(
        ["experiment", "board", "tokens", "architecture", "status", "ranked by", "test score"], rows, numbers=1
    )


@commands.command(epilog="Example: anamnesis show sherlock-lstm")
def show(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="A name that `anamnesis list` shows.")],
) -> None:
    """Show one experiment: its settings, its trained model, its scores, and the last texts it wrote."""
    import yaml

    from anamnesis import params

    root = location.find()
    settings = params.load(root / "params.yaml")
    found = params.lookup(settings.experiments, experiment, "experiment")
    printing.heading("settings")
    print(yaml.safe_dump(found.model_dump(mode="json"), sort_keys=False, allow_unicode=True).rstrip())
    card = location.read_json(root / "models" / experiment / "model.json")
    if not card:
        print(f"\nnot trained yet: {location.command()} repro {experiment}")
        return
    printing.heading("model")
    for key in ("architecture", "parameters", "best_epoch", "seed", "fingerprint"):
        if card.get(key) is not None:
            print(f"{key}: {card[key]}")
    metrics = location.read_json(root / "metrics" / f"{experiment}.json")
    if metrics:
        printing.heading("scores")
        names = list(metrics["test"])
        splits = [split for split in ("valid", "test") if split in metrics]
        printing.table(
            ["", *splits], [[name, *(_number(metrics[split].get(name)) for split in splits)] for name in names], 2
        )
    # Not everything that is learnt writes texts.
    predictions = root / "predictions" / experiment
    translations = predictions / "translations.csv"
    if translations.exists():
        printing.heading("translations of the test split: source, = reference, < model")
        for row in _spread(translations, 5):
            print(f"> {row['source']}\n= {row['reference']}\n< {row['translation']}\n")
    samples = location.read_json(predictions / "samples.json")
    if samples:
        printing.heading("samples")
        for sample in samples:
            print(f"[{sample['strategy']}] {sample['prompt']}{sample['text']}\n")


def _number(value: float | int | None) -> str:
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)


def _spread(path: Path, number: int) -> list[dict[str, str]]:
    """Rows of a csv file at equal distances, its first among them."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [rows[index * len(rows) // number] for index in range(min(number, len(rows)))]
