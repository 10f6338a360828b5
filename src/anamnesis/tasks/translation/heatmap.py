"""What a translation attended to as a heat map: blocks on a terminal, or a picture."""

import io
import warnings
from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation.translations import Translation

if TYPE_CHECKING:
    from anamnesis.tasks.translation.translator import NetworkTranslator

# Tokens on a side of a map: more are no picture, and additive attention takes memory for each pair of them.
LONGEST = 150
BLOCKS, STEPS = " ░▒▓█", (0.05, 0.25, 0.5, 0.75)
# Inches of a token, and around all of them; dots an inch.
CELL, MARGIN, DOTS = 0.3, 2.0, 100


class Heatmap(NamedTuple):
    """Attention weights with what they belong to.

    Attributes:
        source: tokens as they are shown, the end among them.
        target: likewise.
        weights: of each source token for each target token, (target tokens, source tokens), a row sums to 1.
    """

    source: list[str]
    target: list[str]
    weights: NDArray[np.floating]


def of(model: "NetworkTranslator", texts: list[str], translations: list[Translation]) -> list[Heatmap | None]:
    """What the model attended to when it wrote one translation of each text; None where there is no text.

    Raises:
        AnamnesisError: the model has no attention, or there are more than `LONGEST` tokens on a side.
    """
    found: list[Heatmap | None] = []
    for number, (text, translation) in enumerate(zip(texts, translations, strict=True), start=1):
        longest = max(len(model.source.encode(text)), len(translation.tokens))
        if longest > LONGEST:
            raise AnamnesisError(
                f"attention: text {number} or its translation has {longest:,} tokens; allowed: at most {LONGEST}"
            )
        if not translation.tokens:
            found.append(None)
            continue
        source, attended = model.attended(text, translation)
        assert attended.attention is not None
        found.append(Heatmap(_shown(source), _shown(attended.tokens), attended.attention))
    return found


def as_text(found: Heatmap) -> str:
    """A row of blocks for each target token, a column two letters wide for each source token, whose name is above it.

    The darker, the more attention; the last line says from which weight on.
    """
    height, width = max(map(len, found.source)), max(map(len, found.target))
    standing = [token.rjust(height) for token in found.source]
    lines = [" " * width + " " + "".join(f"{token[line]} " for token in standing) for line in range(height)]
    for token, row in zip(found.target, found.weights.tolist(), strict=True):
        lines.append(f"{token:>{width}} " + "".join(BLOCKS[bisect_right(STEPS, weight)] * 2 for weight in row))
    legend = "  ".join(f"{block} {step:g}" for block, step in zip(BLOCKS[1:], STEPS, strict=True))
    return "\n".join([*(line.rstrip() for line in lines), "", f"{' ' * width} {legend} and more"])


def as_png(found: Heatmap) -> bytes:
    """A PNG with a row for each target token and a column for each source token: the darker, the more attention."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, columns = found.weights.shape
    figure = Figure(figsize=(columns * CELL + MARGIN, rows * CELL + MARGIN), dpi=DOTS, layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(found.weights, cmap="Blues", vmin=0, vmax=1)
    # A dollar sign is a dollar sign here, and no formula begins with it.
    axes.set_xticks(range(columns), found.source, rotation=90, parse_math=False)
    axes.set_yticks(range(rows), found.target, parse_math=False)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    figure.colorbar(image, label="attention", shrink=min(1.0, 8 / rows))
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A character that the font lacks is a box.
        warnings.simplefilter("ignore")
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _shown(tokens: Sequence[str]) -> list[str]:
    """Tokens without the space that a piece begins with; nothing else is white space in them."""
    return [" ".join(token.split()) or "␣" for token in tokens]
