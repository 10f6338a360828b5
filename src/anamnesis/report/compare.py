"""The last look at all experiments: writes the page, the leaderboard and the learning curves as tables."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from anamnesis.errors import AnamnesisError
from anamnesis.files import write_text
from anamnesis.report import leaderboard, page, results


@dataclass(frozen=True)
class Summary:
    """How many experiments were compared, on how many corpora, which have no metrics yet, and what is damaged."""

    experiments: int
    corpora: int
    missing: list[str]
    damaged: list[str]


def compare(root: Path = Path(".")) -> Summary:
    """Write reports/index.html, reports/leaderboard.csv and reports/curves.csv below `root`.

    A damaged file of an earlier stage costs what would be drawn from it; the summary names it.

    Raises:
        ParamsError: params.yaml is not valid.
        AnamnesisError: no experiment has metrics.
    """
    found = results.load(root)
    rows = leaderboard.rank(found.results)
    damaged: list[str] = []
    html = page.render(root, damaged)
    write_text(root / "reports" / "leaderboard.csv", leaderboard.csv_text(rows))
    write_text(root / "reports" / "curves.csv", curves_csv(root, found.results, damaged))
    write_text(root / "reports" / "index.html", html)
    corpora = {result.corpus for result in found.results}
    return Summary(len(found.results), len(corpora), list(found.missing), list(dict.fromkeys(damaged)))


def curves_csv(root: Path, entries: list[results.Result], damaged: list[str]) -> str:
    """All perplexity curves in one long table, which `dvc plots` draws: a line for each experiment, epoch and split.

    Args:
        damaged: takes a line for each curve that is left out because its file is damaged.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("task", "corpus", "tokens", "experiment", "epoch", "split", "perplexity"))
    for entry in entries:
        try:
            curve = results.curve(root, entry.experiment)
        except AnamnesisError as error:
            damaged.append(str(error))
            continue
        if curve is None or curve.measure != "perplexity":
            continue
        for epoch in curve.epochs:
            for split, value in (("training", epoch.train), ("validation", epoch.valid)):
                if value is not None:
                    writer.writerow(
                        (entry.task, entry.corpus, entry.tokens, entry.experiment, epoch.epoch, split, value)
                    )
    return buffer.getvalue()
