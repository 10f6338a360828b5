"""How much validation perplexity fluctuates from epoch to epoch: the RNN with context features and the plain one."""

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean

from anamnesis.report import charts, formats, results, seeds
from anamnesis.report.charts import Figure
from anamnesis.report.leaderboard import Row
from anamnesis.report.results import Curve, Result

# The first epochs, in which every network still learns fast, say nothing of its steadiness.
SKIPPED = 1 / 3


# One training of each is compared, so that a small difference says nothing.
CLEARLY = 0.9


@dataclass(frozen=True)
class Steadiness:
    """The fluctuation of one learning curve over the epochs that count.

    `fluctuation` is the mean distance of log validation perplexity from the line through the epochs before and after:
    what is left once the trend is taken away. `rises` counts how often, of `steps`, validation perplexity rose;
    `largest` is the largest rise. Both sizes are relative: 0.01 is one per cent.
    """

    experiment: str
    fluctuation: float
    rises: int
    steps: int
    largest: float


@dataclass(frozen=True)
class Comparison:
    """RNN against SCRN on one token store."""

    tokens: str
    figure: Figure
    measured: list[Steadiness]
    sentences: list[str]


def steadiness(experiment: str, curve: Curve) -> Steadiness | None:
    """How steady the later part of a learning curve is; None where fewer than three epochs count."""
    values = [
        math.log(epoch.valid)
        for epoch in curve.epochs
        if epoch.valid is not None and math.isfinite(epoch.valid) and epoch.valid > 0
    ]
    values = values[math.floor(SKIPPED * len(values)) :]
    if len(values) < 3:
        return None
    changes = [after - before for before, after in pairwise(values)]
    strayed = [abs(after - before) / 2 for before, after in pairwise(changes)]
    rises = [math.expm1(change) for change in changes if change > 0]
    return Steadiness(experiment, mean(strayed), len(rises), len(changes), max(rises, default=0.0))


def of(root: Path, experiment: str) -> Steadiness | None:
    """The steadiness of an experiment's learning curve; None where it left none, or one of too few epochs.

    Raises:
        AnamnesisError: the learning curve is damaged.
    """
    curve = results.curve(root, experiment, "perplexity")
    return steadiness(experiment, curve) if curve else None


def compare(root: Path, rows: list[Row]) -> list[Comparison]:
    """Each SCRN of a corpus against the RNNs that read the same tokens in the same batches with as many layers.

    Raises:
        AnamnesisError: a learning curve is damaged.
    """
    found = []
    for tokens in dict.fromkeys(row.result.tokens for row in rows):
        same = [row.result for row in rows if (row.result.task, row.result.tokens) == ("language", tokens)]
        pairs = [(rnn, scrn) for scrn in same for rnn in same if _comparable(rnn, scrn)]
        names = list(dict.fromkeys(result.experiment for pair in pairs for result in pair))
        learnt = {name: curve for name in names if (curve := results.curve(root, name))}
        shown = [row for row in rows if row.result.experiment in learnt]
        repeats = {row.result.experiment: seeds.curves(root, row.result) for row in shown}
        spec = charts.curves(shown, learnt, repeats) if len(learnt) > 1 else None
        if spec is None:
            continue
        measured = {name: steadiness(name, curve) for name, curve in learnt.items()}
        sentences = [
            sentence(measured.get(rnn.experiment), measured.get(scrn.experiment), rnn.experiment, scrn.experiment)
            for rnn, scrn in pairs
        ]
        figure = Figure(tokens, charts.legend(list(learnt)), spec)
        found.append(Comparison(tokens, figure, [each for each in measured.values() if each], sentences))
    return found


def sentence(rnn: Steadiness | None, scrn: Steadiness | None, rnn_name: str, scrn_name: str) -> str:
    """Whether the SCRN is steadier than the RNN, as measured."""
    if rnn is None or scrn is None:
        return f"There are too few epochs to tell whether {scrn_name} is steadier than {rnn_name}."
    numbers = (
        f"its validation perplexity strays {formats.percent(scrn.fluctuation)} from its trend, the RNN's "
        f"{formats.percent(rnn.fluctuation)}, and rose after {scrn.rises} of {scrn.steps} epochs, the RNN's after "
        f"{rnn.rises} of {rnn.steps}"
    )
    if steadier(scrn, rnn):
        return f"In this one training of each, {scrn_name} is steadier than {rnn_name}: {numbers}."
    if scrn.rises == rnn.rises == 0:
        numbers += "; neither fluctuates here"
    return f"In this one training of each, {scrn_name} is not steadier than {rnn_name}: {numbers}."


def steadier(one: Steadiness, other: Steadiness) -> bool:
    """Whether one learning curve fluctuates clearly less than another: by a tenth at least."""
    return one.fluctuation < CLEARLY * other.fluctuation


def _comparable(rnn: Result, scrn: Result) -> bool:
    """Whether the two are an RNN and an SCRN that differ in nothing else that makes an epoch."""
    return (
        (rnn.architecture, scrn.architecture) == ("rnn", "scrn")
        and rnn.settings.model.layers == scrn.settings.model.layers
        and rnn.settings.batches == scrn.settings.batches
    )
