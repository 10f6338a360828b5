"""The command that captions images of digits."""

from pathlib import Path
from typing import Annotated

import typer

from anamnesis.cli import models, printing, search
from anamnesis.cli.search import Beam, NBest
from anamnesis.errors import AnamnesisError

commands = typer.Typer()


@commands.command(
    epilog="Examples: anamnesis caption predictions/captions-gru/images/*.png\n\n"
    "anamnesis caption --model captions-gru --n-best 3 predictions/captions-gru/images/*.png"
)
def caption(
    images: Annotated[
        list[Path],
        typer.Argument(metavar="FILE.png...", help="Images of digits: PNG, JPEG, GIF, BMP, WebP, TIFF or PPM."),
    ],
    model: Annotated[str | None, models.option("captioning model")] = None,
    beam: Beam = None,
    n_best: NBest = None,
) -> None:
    """Write the digits of images in words: one line for each image, in their order.

    The digits may be dark on light or light on dark, of any size, anywhere on the image. With --n-best an image has
    several lines, SCORE TAB CAPTION outside of a terminal, and a blank line separates two images. An image that cannot
    be read has a blank line, and the exit code is then 1.
    """
    # Names are relative to the user's folder; loading a model changes to the project's folder.
    paths = [path.absolute() for path in images]
    captioner = models.load(model, "captioning")
    width = search.beam_width(captioner, beam, n_best)
    import numpy as np

    from anamnesis.tasks.captioning import pictures

    pixels = {}
    for number, (path, name) in enumerate(zip(paths, images, strict=True)):
        try:
            pixels[number] = pictures.open_image(path, str(name), captioner.images.longest)
        except AnamnesisError as error:
            printing.error(error)
    results = captioner.caption(np.stack(list(pixels.values())), width, n_best or 1) if pixels else []
    captions = dict(zip(pixels, results, strict=True))
    for number, name in enumerate(images):
        best = captions.get(number)
        if n_best is None:
            printing.write(best[0].text if best else "")
            continue
        if number:
            print()
        if best:
            search.print_scored(str(name), [each.score for each in best], [each.text for each in best], "caption")
    if len(pixels) < len(images):
        raise typer.Exit(1)
