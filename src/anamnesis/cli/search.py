"""What the commands that search with a beam have in common: its width, and the best of what was found."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from anamnesis.cli import printing
from anamnesis.errors import ParamsError

Beam = Annotated[
    int | None,
    typer.Option(min=1, help="Hypotheses that are followed at once; 1: greedy.", show_default="as in params.yaml"),
]


def width(loaded: Any, beam: int | None, n_best: int | None) -> int:
    """The beam's width, as asked for or as the model's card says; `n_best` must not be above it."""
    widest: int = beam or loaded.card["search"]["beam"]
    if n_best is not None and n_best > widest:
        raise ParamsError(f"--n-best: found {n_best}; allowed: from 1 to the beam's width, which is {widest}")
    return widest


def print_scored(text: str, scores: Sequence[float | None], found: Sequence[str], what: str) -> None:
    """What was found for a text, each with its score or none: a table on a terminal, SCORE TAB FOUND elsewhere."""
    rows = [("" if score is None else f"{score:.4f}", each) for score, each in zip(scores, found, strict=True)]
    if sys.stdout.isatty():
        printing.write(text)
        printing.table(["score", what], rows, right=[0])
    else:
        for row in rows:
            printing.write("\t".join(row))
