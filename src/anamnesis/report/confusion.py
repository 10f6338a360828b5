"""Confusion matrices: those of the best network and the best baseline before the others."""

from pathlib import Path
from typing import Any

from anamnesis.report import charts, results
from anamnesis.report.charts import Spec
from anamnesis.report.leaderboard import Row

# What is predicted, and the file that counts it, by task.
PARTS = {"video": {"digit": "confusion.csv", "direction": "directions.csv"}}
USUAL = {"label": "confusion.csv"}
COLUMNS = {"actual": str, "predicted": str, "count": float}


def confusion(root: Path, ranked: list[Row]) -> list[dict[str, Any]]:
    """The confusion matrices of one group, for each predicted thing.

    Returns:
        Rows with `what` is predicted, and matrices to show, `shown`, and to fold, `others`: (experiment, chart).

    Raises:
        AnamnesisError: a file of an evaluation is damaged.
    """
    matrices = []
    for what, file in PARTS.get(ranked[0].result.task, USUAL).items():
        drawn: dict[str, Spec] = {}
        best: dict[bool, str] = {}
        for result in (row.result for row in ranked):
            counts = results.table(root, result.experiment, file, COLUMNS)
            if len(counts):
                drawn[result.experiment] = charts.confusion(results.records(counts), result.experiment)
                best.setdefault(result.baseline, result.experiment)
        if drawn:
            shown = [(name, spec) for name, spec in drawn.items() if name in best.values()]
            others = [(name, spec) for name, spec in drawn.items() if name not in best.values()]
            matrices.append({"what": what, "shown": shown, "others": others})
    return matrices
