"""The command that reads pictures of digits."""

from pathlib import Path
from typing import Annotated

import typer

from anamnesis.cli import models, printing, search
from anamnesis.cli.search import Beam
from anamnesis.errors import AnamnesisError

commands = typer.Typer()


@commands.command(
    epilog="Examples: anamnesis caption predictions/captions-gru/images/*.png\n\n"
    "anamnesis caption --model captions-gru --n-best 3 predictions/captions-gru/images/*.png"
)
def caption(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE.png...", help="Pictures of digits in a row: PNG, JPEG, GIF, BMP, WebP, TIFF or PPM."
        ),
    ],
    model: Annotated[str | None, models.option("captioning model")] = None,
    beam: Beam = None,
    n_best: Annotated[
        int | None,
        typer.Option(
            "--n-best",
            min=1,
            help="Show so many captions of each picture, the best first, with their scores. At most as many as the "
            "beam is wide.",
            show_default="one, without its score",
        ),
    ] = None,
) -> None:
    """Read pictures of digits in words: one picture a line, in the order in which they come.

    The digits may be dark on light or light on dark, of any size, anywhere on the picture. With --n-best a picture has
    several lines, SCORE TAB CAPTION outside of a terminal, and a blank line stands between two pictures. A picture
    that cannot be read has a blank line, and the exit code is 1 at the end.
    """
    # As names are meant where the command was typed, not in the project's folder.
    paths = [path.absolute() for path in images]
    loaded = models.load(model, "captioning")
    width = search.width(loaded, beam, n_best)
    import numpy as np

    from anamnesis.tasks.captioning import pictures

    read = {}
    for number, (path, name) in enumerate(zip(paths, images, strict=True)):
        try:
            read[number] = pictures.open_file(path, str(name), loaded.rows)
        except AnamnesisError as error:
            printing.error(error)
    results = loaded.caption(np.stack(list(read.values())), width, n_best or 1) if read else []
    captions = dict(zip(read, results, strict=True))
    for number, name in enumerate(images):
        found = captions.get(number)
        if n_best is None:
            printing.write(found[0].text if found else "")
            continue
        if number:
            print()
        if found is None:
            continue
        search.print_scored(str(name), [each.score for each in found], [each.text for each in found], "caption")
    if len(read) < len(images):
        raise typer.Exit(1)
