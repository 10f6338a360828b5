"""The command that tells the label of documents, passages and films."""

from pathlib import Path
from typing import Annotated, Any

import typer

from anamnesis.cli import inputs, models, printing

commands = typer.Typer()


@commands.command(
    epilog="Examples: anamnesis classify --model news-lstm 'Oil prices rose after the ministers met.'\n\n"
    "anamnesis classify --model news-birnn --top 3 < documents.txt\n\n"
    "anamnesis classify --model films-cnn-lstm predictions/films-cnn-lstm/films/*.gif"
)
def classify(
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT|FILM.gif]...",
            help="Documents, each in quotes; or names of files, where the model tells films.",
            show_default="the lines of standard input",
        ),
    ] = None,
    model: Annotated[str | None, models.option("classifier of documents")] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Show so many labels of each text, the likeliest first, with their probabilities.",
            show_default="the likeliest label alone",
        ),
    ] = None,
) -> None:
    """Tell the label of documents, passages or films: one a line, in the order in which they come, a blank line for a
    blank one.

    The model says what the labels are: topics of news, authors, or which digit moves where.
    """
    given = inputs.utf8(texts) if texts else inputs.lines("text")
    # As names are meant where the command was typed, not in the project's folder.
    here = Path.cwd()
    loaded = models.load(model, "classification", "passage")
    from anamnesis.tokens.cleaning import clean

    films = loaded.card.get("reads") == "films"
    there = [number for number, text in enumerate(given) if text.strip()]
    asked: list[Any] = [here / given[number] if films else given[number] for number in there]
    found = dict(zip(there, loaded.classify(asked) if asked else [], strict=True))
    for number, text in enumerate(given):
        likeliest = [(clean(label), probability) for label, probability in found.get(number, [])[: top or 1]]
        if top is None:
            print(likeliest[0][0] if likeliest else "")
        elif likeliest:
            printing.heading(text)
            printing.table(["label", "probability"], [[label, f"{share:.4f}"] for label, share in likeliest], numbers=1)
