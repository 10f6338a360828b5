"""The last look at all experiments: writes the page, the leaderboard and the learning curves as tables."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from anamnesis.files import write_text
from anamnesis.report import leaderboard, page, results


@dataclass(frozen=True)
class Summary:
    """How many experiments were compared, on how many corpora, and which have no metrics yet."""

    experiments: int
    corpora: int
    missing: list[str]


def compare(root: Path = Path(".")) -> Summary:
    """Write reports/index.html, reports/leaderboard.csv and reports/curves.csv below `root`.

    Raises:
        ParamsError: params.yaml is not valid.
        AnamnesisError: a file of an earlier stage is damaged, or no experiment has metrics.
    """
    found = results.load(root)
    rows = leaderboard.rank(found.results)
    html = page.render(root)
    write_text(root / "reports" / "leaderboard.csv", leaderboard.csv_text(rows))
    write_text(root / "reports" / "curves.csv", curves_csv(root, found.results))
    write_text(root / "reports" / "index.html", html)
    corpora = {result.corpus for result in found.results}
    return Summary(len(found.results), len(corpora), list(found.missing))


def curves_csv(root: Path, entries: list[results.Result]) -> str:
    """All perplexity curves in one long table, which `dvc plots` draws: a line for each experiment, epoch and split."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("board", "corpus", "tokens", "experiment", "epoch", "split", "perplexity"))
    for entry in entries:
        curve = results.curve(root, entry.experiment)
        if curve is None or curve.measure != "perplexity":
            continue
        for epoch in curve.epochs:
            for split, value in (("training", epoch.train), ("validation", epoch.valid)):
                if value is not None:
                    writer.writerow(
                        (entry.board, entry.corpus, entry.tokens, entry.experiment, epoch.epoch, split, value)
                    )
    return buffer.getvalue()
