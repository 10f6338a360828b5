"""A series of numbers that no file holds: a sum of sine waves, the textbooks' first series to forecast."""

import math
import random
from pathlib import Path

from anamnesis import files
from anamnesis.data.sources.local import Part
from anamnesis.data.sources.settings import Sines, SplitName

# Mathematical libraries differ in the last bits of a sine, which so few decimals do not show.
DECIMALS = 6


def values(source: Sines, number: int) -> list[float]:
    """The first values of the series, at t = 0, 1, 2, ..., with noise."""
    noise = random.Random(source.seed)
    return [
        math.fsum(wave.amplitude * math.sin(2 * math.pi * time / wave.period + wave.phase) for wave in source.waves)
        + noise.gauss(0, source.noise)
        for time in range(number)
    ]


def write_sines(source: Sines, folder: Path) -> list[Part]:
    """A table of `time` and `value` for each split, written to `folder`: first train, then valid, then test in time."""
    sizes: list[tuple[SplitName, int]] = [("train", source.train), ("valid", source.valid), ("test", source.test)]
    series = values(source, sum(size for _, size in sizes))
    parts, first = [], 0
    for split, size in sizes:
        path = folder / f"{split}.csv"
        rows = (f"{time},{series[time]:.{DECIMALS}f}\n" for time in range(first, first + size))
        path.write_text("time,value\n" + "".join(rows), encoding="utf-8", newline="\n")
        parts.append(Part("params.yaml", path, files.sha256_file(path), split))
        first += size
    return parts
