"""Options and output of the commands that use beam search."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from anamnesis.cli import printing
from anamnesis.errors import ParamsError

Beam = Annotated[
    int | None,
    typer.Option(min=1, help="Hypotheses that the search follows; 1: greedy search.", show_default="as in params.yaml"),
]

NBest = Annotated[
    int | None,
    typer.Option(
        "--n-best",
        min=1,
        help="Number of results to show for each input, the best first, with their scores, roughly the mean "
        "log-probability of a token. At most the width of the beam.",
        show_default="one, without its score",
    ),
]


def beam_width(model: Any, beam: int | None, n_best: int | None) -> int:
    """The width of the beam: `beam`, or the width in the model's card.

    Raises:
        ParamsError: `n_best` exceeds it.
    """
    width: int = beam or model.card["search"]["beam"]
    if n_best is not None and n_best > width:
        raise ParamsError(f"--n-best: found {n_best}; allowed: from 1 to the beam's width, which is {width}")
    return width


def print_scored(text: str, scores: Sequence[float | None], results: Sequence[str], heading: str) -> None:
    """Print the results for a text with their scores: a table on a terminal, lines SCORE TAB RESULT elsewhere."""
    rows = [("" if score is None else f"{score:.4f}", each) for score, each in zip(scores, results, strict=True)]
    if sys.stdout.isatty():
        printing.write(text)
        printing.table(["score", heading], rows, right=[0])
    else:
        for row in rows:
            printing.write("\t".join(row))
