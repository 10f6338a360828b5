"""The compare stage: write the report, the leaderboard and the learning curves of all experiments."""

import sys
from pathlib import Path

from anamnesis import console
from anamnesis.errors import AnamnesisError
from anamnesis.files import write_text
from anamnesis.report import leaderboard, page, results


def compare(root: Path = Path(".")) -> list[str]:
    """Write reports/index.html, reports/leaderboard.csv and reports/curves.csv.

    A damaged file of an earlier stage costs only what would be drawn from it.

    Args:
        root: the project's folder.

    Returns:
        A line for each damaged file.

    Raises:
        ParamsError: params.yaml is not valid.
        AnamnesisError: no experiment has metrics.
    """
    loaded = results.load(root)
    damaged: list[str] = []
    reports = root / "reports"
    html = page.render(root, damaged)
    write_text(reports / "leaderboard.csv", leaderboard.csv_text(leaderboard.rank(loaded.results)))
    write_text(reports / "curves.csv", curves_csv(root, loaded.results, damaged))
    write_text(reports / "index.html", html)
    damaged = list(dict.fromkeys(damaged))
    for name in loaded.missing:
        print(f"compare: {name} is missing: it has no metrics yet", flush=True)
    for line in damaged:
        print(f"warning: {line}", file=sys.stderr, flush=True)
    corpora = len({result.corpus for result in loaded.results})
    console.summary(
        "compare", "all", f"{len(loaded.results)} experiments on {corpora} corpora in {reports / 'index.html'}"
    )
    return damaged


def curves_csv(root: Path, entries: list[results.Result], damaged: list[str]) -> str:
    """All perplexity curves as one long table for `dvc plots`: a line for each experiment, epoch and split.

    Args:
        root: the project's folder.
        entries: the results.
        damaged: collects a line for each curve that is left out because its file is damaged.
    """
    from pandas import DataFrame, concat

    tables = [DataFrame(columns=["task", "corpus", "tokens", "experiment", "epoch", "split", "perplexity"])]
    for entry in entries:
        try:
            curve = results.curve(root, entry.experiment)
        except AnamnesisError as error:
            damaged.append(str(error))
            continue
        if curve is None or curve.measure != "perplexity":
            continue
        epochs = curve.epochs.rename(columns={"train": "training", "valid": "validation"})
        long = epochs.melt("epoch", ["training", "validation"], "split", "perplexity").dropna()
        long = long.sort_values("epoch", kind="stable")
        tables.append(
            long.assign(task=entry.task, corpus=entry.corpus, tokens=entry.tokens, experiment=entry.experiment)
        )
    text: str = concat(tables)[tables[0].columns].to_csv(index=False, lineterminator="\n")
    return text
