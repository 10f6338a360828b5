"""Experiments repeated with other seeds: one result with the mean and the spread of its scores."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

from anamnesis.boards import entrants
from anamnesis.report import results
from anamnesis.report.results import SPLITS, Curve, Result


def grouped(entries: Iterable[Result]) -> list[Result]:
    """The results, those that differ in nothing but their seed as one: the first of them, with their mean scores.

    A score that some of them lack is left out. What is read from files, such as texts and confusions, is the first's.
    """
    by_name = {entry.experiment: entry for entry in entries}
    groups = entrants({name: entry.settings for name, entry in by_name.items()})
    return [_mean([by_name[name] for name in group]) for group in groups]


def curves(root: Path, entry: Result, measure: str | None = None) -> list[Curve]:
    """The learning curves of an experiment's repetitions, its own left out. Raises as `results.curve`."""
    found = (results.curve(root, other.experiment, measure) for other in entry.repeats[1:])
    return [curve for curve in found if curve]


def _mean(members: list[Result]) -> Result:
    first = members[0]
    if len(members) == 1:
        return first
    drawn = {
        split: {
            metric: [member.scores[split][metric] for member in members]
            for metric in first.scores[split]
            if all(metric in member.scores[split] for member in members)
        }
        for split in SPLITS
    }
    return replace(
        first,
        scores={split: {metric: fmean(values) for metric, values in of.items()} for split, of in drawn.items()},
        spread={split: {metric: stdev(values) for metric, values in of.items()} for split, of in drawn.items()},
        repeats=tuple(members),
    )
