"""A made-up series: a sum of sine waves, the textbooks' first one to forecast."""

import math
import random
from pathlib import Path

from anamnesis import files
from anamnesis.data.readers import tables
from anamnesis.data.settings import Sines, SplitName
from anamnesis.data.sources.sources import Part

# So few that the last bit of a sine, which mathematical libraries do not agree on, is never seen.
DECIMALS = 6


def values(source: Sines, number: int) -> list[float]:
    """The first values of the series, at t = 0, 1, 2, ..., noise and all."""
    noise = random.Random(source.seed)
    return [
        math.fsum(wave.amplitude * math.sin(2 * math.pi * time / wave.period + wave.phase) for wave in source.waves)
        + noise.gauss(0, source.noise)
        for time in range(number)
    ]


def made(source: Sines, folder: Path) -> list[Part]:
    """A table of `time` and `value` for each split, put into files of `folder`.

    In time train comes first, then valid, then test: what one forecasts has only its past before it.
    """
    sizes: list[tuple[SplitName, int]] = [("train", source.train), ("valid", source.valid), ("test", source.test)]
    series = values(source, sum(size for _, size in sizes))
    result, first = [], 0
    for split, size in sizes:
        path = folder / f"{split}.csv"
        rows = [(time, f"{series[time]:.{DECIMALS}f}") for time in range(first, first + size)]
        tables.write(path, ("time", "value"), rows)
        result.append(Part("params.yaml", path, files.sha256_file(path), split))
        first += size
    return result
