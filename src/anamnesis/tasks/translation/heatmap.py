"""Attention weights as a heat map: blocks on a terminal, or a picture."""

import io
import warnings
from bisect import bisect_right
from collections.abc import Sequence

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation.evaluation.attention import AttentionMap, attention_map
from anamnesis.tasks.translation.model.translations import Translation
from anamnesis.tasks.translation.model.translator import NetworkTranslator

# Tokens of a source or a translation, at most: a larger map cannot be read, and additive attention needs memory for
# each pair of tokens.
LONGEST = 150
# A block shows a weight from its step on.
BLOCKS, STEPS = " ░▒▓█", (0.05, 0.25, 0.5, 0.75)
# Inches of a token, inches around the map, dots per inch.
CELL, MARGIN, DPI = 0.3, 2.0, 100


def attention_maps(
    translator: NetworkTranslator, texts: Sequence[str], translations: Sequence[Translation]
) -> list[AttentionMap | None]:
    """The attention for one translation of each text; None for an empty translation.

    Tokens are without the space that a subword begins with; other white space becomes "␣".

    Raises:
        AnamnesisError: the network has no attention, or a text or translation has more than `LONGEST` tokens.
    """
    maps: list[AttentionMap | None] = []
    for number, (text, translation) in enumerate(zip(texts, translations, strict=True), start=1):
        longest = max(len(translator.source.encode(text).ids), len(translation.tokens))
        if longest > LONGEST:
            raise AnamnesisError(
                f"attention: text {number} or its translation has {longest:,} tokens; allowed: at most {LONGEST}"
            )
        if translation.tokens:
            source, target, weights = attention_map(translator, text, translation)
            maps.append(AttentionMap(_strip(source), _strip(target), weights))
        else:
            maps.append(None)
    return maps


def as_text(attention: AttentionMap) -> str:
    """A heat map in blocks: a row for each target token, two columns for each source token, whose name is above them.

    A darker block is a larger weight; the last line gives the smallest weight of each block.
    """
    height, width = max(map(len, attention.source)), max(map(len, attention.target))
    columns = [token.rjust(height) for token in attention.source]
    lines = [" " * width + " " + "".join(f"{token[line]} " for token in columns) for line in range(height)]
    for token, row in zip(attention.target, attention.weights.tolist(), strict=True):
        lines.append(f"{token:>{width}} " + "".join(BLOCKS[bisect_right(STEPS, weight)] * 2 for weight in row))
    legend = "  ".join(f"{block} {step:g}" for block, step in zip(BLOCKS[1:], STEPS, strict=True))
    return "\n".join([*(line.rstrip() for line in lines), "", f"{' ' * width} {legend} and more"])


def as_png(attention: AttentionMap) -> bytes:
    """A heat map as a PNG file: a row for each target token, a column for each source token, darker for more weight."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, columns = attention.weights.shape
    figure = Figure(figsize=(columns * CELL + MARGIN, rows * CELL + MARGIN), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(attention.weights, cmap="Blues", vmin=0, vmax=1)
    # A dollar sign in a token begins no formula.
    axes.set_xticks(range(columns), attention.source, rotation=90, parse_math=False)
    axes.set_yticks(range(rows), attention.target, parse_math=False)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    figure.colorbar(image, label="attention", shrink=min(1.0, 8 / rows))
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Matplotlib warns of a character that the font lacks, and draws a box.
        warnings.simplefilter("ignore")
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _strip(tokens: Sequence[str]) -> list[str]:
    return [" ".join(token.split()) or "␣" for token in tokens]
