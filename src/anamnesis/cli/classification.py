"""The command that tells the label of documents, passages and videos."""

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
            metavar="[TEXT|FILM.gif]...",
            help="Documents, each in quotes; or names of files, where the model tells videos.",
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
    """Tell the label of documents, passages or videos: one a line, in the order in which they come, a blank line for a
    blank one.

    A video that cannot be read has a blank line, too, and the exit code is 1 at the end. The model says what the labels
    are: topics of news, authors, or which digit moves where.
    """
    given = inputs.utf8(texts) if texts else inputs.lines("text")
    # As names are meant where the command was typed, not in the project's folder.
    here = Path.cwd()
    loaded = models.load(model, "classification", "video")
    from anamnesis.data.text.cleaning import clean
    from anamnesis.tasks.video.evaluation import gif

    there = {number: text for number, text in enumerate(given) if text.strip()}
    found: dict[int, list[tuple[str, float]]] = {}
    failed = False
    if loaded.card["task"] == "video":
        for number, text in there.items():
            try:
                found[number] = loaded.classify(gif.read(here / text, loaded.size))
            except AnamnesisError as error:
                printing.error(error)
                failed = True
    elif there:
        inputs.note_files(texts or [], here)
        found = dict(zip(there, loaded.classify(list(there.values())), strict=True))
    labels = len(next(iter(found.values()), []))
    if top is not None and labels and top > labels:
        raise ParamsError(f"--top: found {top}; allowed: from 1 to {labels}, the number of labels")
    for number, text in enumerate(given):
        likeliest = [(clean(label), probability) for label, probability in found.get(number, [])[: top or 1]]
        if top is None:
            printing.write(likeliest[0][0] if likeliest else "")
        elif likeliest:
            printing.heading(text)
            printing.table(["label", "probability"], [[label, f"{share:.4f}"] for label, share in likeliest], numbers=1)
    if failed:
        raise typer.Exit(1)
