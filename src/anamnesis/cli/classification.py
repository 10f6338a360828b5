"""The command that classifies documents and videos."""

from pathlib import Path
from typing import Annotated

import typer

from anamnesis.cli import inputs, models, printing
from anamnesis.errors import AnamnesisError, ParamsError

commands = typer.Typer()


@commands.command(
    epilog="Examples: anamnesis classify --model news-lstm 'Oil prices rose after OPEC agreed to cut its output.'\n\n"
    "anamnesis classify --model news-birnn --top 3 < docs/examples/news.txt\n\n"
    "anamnesis classify --model videos-cnn-lstm predictions/videos-cnn-lstm/videos/*.gif"
)
def classify(
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT|VIDEO.gif]...",
            help="Documents, each in quotes; or, for a model of videos, names of files.",
            show_default="the lines of standard input",
        ),
    ] = None,
    model: Annotated[str | None, models.option("classifier of documents")] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Show this many labels of each text, the most probable first, with their probabilities.",
            show_default="the most probable label alone",
        ),
    ] = None,
) -> None:
    """Classify documents or videos: print the label of each on a line, a blank line for a blank one.

    A video that cannot be read has a blank line, too, and the exit code is 1. The labels are those of the training
    data: topics of news, authors, or which digit moves where.
    """
    given = inputs.check_utf8(texts) if texts else inputs.read_lines("text")
    # File names are relative to the folder in which the command was typed; `models.load` enters the project's.
    here = Path.cwd()
    loaded = models.load(model, "classification", "video")
    labels = len(loaded.card["labels"])
    if top is not None and top > labels:
        raise ParamsError(f"--top: found {top}; allowed: from 1 to {labels}, the number of labels")
    from anamnesis.data.text.cleaning import clean

    rankings, failed = [], False
    if loaded.card["task"] == "video":
        from anamnesis.tasks.video.evaluation import gif

        for text in given:
            ranking: list[tuple[str, float]] = []
            try:
                if text.strip():
                    ranking = loaded.classify(gif.read(here / text, loaded.size))
            except AnamnesisError as error:
                printing.error(error)
                failed = True
            rankings.append(ranking)
    else:
        inputs.warn_about_files(texts or [], here)
        rankings = loaded.classify(given)
    for text, ranking in zip(given, rankings, strict=True):
        rows = [(clean(label), probability) for label, probability in ranking[: top or 1]]
        if top is None:
            printing.write(rows[0][0] if rows else "")
        elif rows:
            printing.heading(text)
            printing.table(["label", "probability"], [[label, f"{share:.4f}"] for label, share in rows], numbers=1)
    if failed:
        raise typer.Exit(1)
