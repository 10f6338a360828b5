"""What is taken for what: confusion matrices, those of the best network and the best baseline before the others."""

from dataclasses import dataclass
from pathlib import Path

from anamnesis.report import charts, results
from anamnesis.report.charts import Spec
from anamnesis.report.leaderboard import Row

# By board: what is predicted, and the file that counts it; where it is one thing, `label`.
PARTS = {"video": (("digit", "confusion.csv"), ("direction", "directions.csv"))}
USUAL = (("label", "confusion.csv"),)
FIELDS: dict[str, type[str | float]] = {"actual": str, "predicted": str, "count": float}


@dataclass(frozen=True)
class Confusion:
    """The matrices of one corpus, (experiment, chart), best first: those to look at, and all others."""

    what: str
    shown: list[tuple[str, Spec]]
    others: list[tuple[str, Spec]]


def confusion(root: Path, ranked: list[Row]) -> list[Confusion]:
    """The confusion matrices of one corpus, one for each thing that is predicted; `ranked` is best first.

    Raises:
        AnamnesisError: a file of an evaluation is damaged.
    """
    found = []
    for what, file in PARTS.get(ranked[0].result.task, USUAL):
        drawn = {
            row.result.experiment: (row.result.baseline, charts.confusion(counts, row.result.experiment))
            for row in ranked
            if (counts := results.table(root, row.result.experiment, file, FIELDS))
        }
        best = [next((name for name, (floor, _) in drawn.items() if floor == kind), "") for kind in (False, True)]
        matrices = [(name, spec, name in best) for name, (_, spec) in drawn.items()]
        if matrices:
            found.append(
                Confusion(
                    what,
                    [(name, spec) for name, spec, shown in matrices if shown],
                    [(name, spec) for name, spec, shown in matrices if not shown],
                )
            )
    return found
