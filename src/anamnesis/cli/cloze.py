"""The command that fills blanks: `fill`."""

from typing import Annotated

import typer

from anamnesis.cli import inputs, models, printing
from anamnesis.cli.models import ModelName
from anamnesis.errors import AnamnesisError

commands = typer.Typer()


@commands.command(
    epilog="Examples: anamnesis fill novel-cloze-birnn 'Mr. ____ was very handsome.'\n\n"
    "anamnesis fill cloze-novel@champion 'Mr. ____ was very handsome.' --top 10"
)
def fill(
    model: ModelName,
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]...",
            help="Each in quotes, with one blank: two underscores or more.",
            show_default="the lines of standard input that are not blank",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many words to show, the most probable first.")] = 5,
) -> None:
    """Show the most probable words for the blank of a text, each with its probability."""
    given = inputs.read_texts(texts, "text")
    loaded = models.load(model, "cloze")
    from anamnesis.tasks.cloze import prediction

    failed = False
    for text in given:
        try:
            words = prediction.fill(loaded, text, top)
        except AnamnesisError as error:
            printing.error(error)
            failed = True
            continue
        printing.heading(text)
        rows = [[word, f"{probability:.4f}"] for word, probability in words]
        printing.table(["word", "probability"], rows, numbers=1)
    if failed:
        raise typer.Exit(1)
