"""The evaluation of a memory experiment: memory spans, gradient decay, and the tables that the report draws."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from anamnesis.data.stores.store import open_split, read_stats
from anamnesis.metrics.results import Evaluation, Progress, csv_text, question, round_score
from anamnesis.tasks.memory.evaluation import gradients
from anamnesis.tasks.memory.evaluation.gradients import Flow
from anamnesis.tasks.memory.loading import MemoryModel
from anamnesis.tasks.memory.model import recall, text
from anamnesis.tasks.memory.model.parts import CLIPPING
from anamnesis.tasks.memory.model.recall import Trial
from anamnesis.tasks.memory.model.sequences import PROBES
from anamnesis.tasks.memory.settings import Experiment

SUMMARIES: dict[str, Callable[[list[int]], float]] = {"": median, "_low": min, "_high": max}


def evaluate(model: MemoryModel, store: Path, experiment: Experiment, progress: Progress) -> Evaluation:
    """Memory spans and gradient decay on the validation and test data.

    `memory_span_copy` and `memory_span_adding` are medians over seeds of the largest lag solved, with `_low` and
    `_high`, the lowest and the highest; `memory_span` is the mean of the two medians. A span is 0 where a network did
    not solve the shortest lag, and never longer than the longest lag tried. recall.csv lists the test score of every
    trial, gradients.csv the gradient's norm by distance, clipping.csv its norms in training.
    """
    progress.begin(2 * (len(model.recall) + 3))
    scores: dict[str, dict[str, float]] = {}
    for split in ("valid", "test"):
        ids = open_split(store, split)
        segments = gradients.segments(ids, experiment.text.length, experiment.text.segments)
        flows = {}
        for when, network in (("initial", model.initial), ("trained", model.trained)):
            flows[when] = gradients.flow(network, segments)
            progress.advance()
        recalled = {}
        for trial, (network, _) in model.recall.items():
            drawn = recall.sequences(experiment, trial, split).draw(experiment.recall.sequences)
            recalled[trial] = recall.score(network, trial.probe, *drawn)
            progress.advance()
        solved = {trial: recall.error(trial.probe, score, experiment.recall) <= 1 for trial, score in recalled.items()}
        scores[split] = {
            **_spans(solved),
            **{f"gradient_decay_{when}": round_score(flow.decay) for when, flow in flows.items()},
            "perplexity": round_score(text.perplexity(model.trained, ids)),
        }
        progress.advance()
    test = scores["test"]
    spans = ", ".join(
        f"{probe} {test[f'memory_span_{probe}']:g} ({test[f'memory_span_{probe}_low']:g} to "
        f"{test[f'memory_span_{probe}_high']:g})"
        for probe in PROBES
    )
    return Evaluation(
        recall_question(experiment, read_stats(store)),
        scores,
        {
            "recall.csv": _recall_csv(recalled, solved, {trial: steps for trial, (_, steps) in model.recall.items()}),
            "gradients.csv": _gradients_csv(flows),
            CLIPPING: model.clipping,
        },
        f"memory span {test['memory_span']:g} steps: {spans}; a step further back, the gradient is multiplied by "
        f"{test['gradient_decay_initial']:.3g} before training and by {test['gradient_decay_trained']:.3g} after it",
        learning_curve=False,
    )


def recall_question(experiment: Experiment, stats: Mapping[str, Any]) -> dict[str, str]:
    """The lags, the sequences at each lag, and when a lag is solved.

    The training is no part of the question, nor are the seeds: all seeds draw sequences from the same distribution.
    """
    recall = experiment.recall.model_dump(mode="json", exclude={"seeds", "steps", "check"})
    measured = experiment.text.model_dump(mode="json", exclude={"unroll"})
    facts = {
        split: {"recall": recall, "text": measured, "text_sha256": stats["splits"][split]["text_sha256"]}
        for split in ("valid", "test")
    }
    lags = ", ".join(map(str, experiment.recall.lags))
    return question(
        f"lags of {lags} steps, copying {recall['symbols']} of {recall['alphabet']} symbols and adding, "
        f"{recall['sequences']} sequences at each",
        **facts,
    )


def _spans(solved: Mapping[Trial, bool]) -> dict[str, float]:
    """The memory spans of both probes, summarised over seeds, and their mean."""
    metrics: dict[str, float] = {}
    for probe in PROBES:
        lags: dict[int, list[tuple[int, bool]]] = {}
        for trial in sorted(each for each in solved if each.probe == probe):
            lags.setdefault(trial.seed, []).append((trial.lag, solved[trial]))
        spans = [recall.span(tried) for tried in lags.values()]
        for suffix, summary in SUMMARIES.items():
            metrics[f"memory_span_{probe}{suffix}"] = float(summary(spans))
    return metrics | {"memory_span": (metrics["memory_span_copy"] + metrics["memory_span_adding"]) / 2}


def _recall_csv(scores: Mapping[Trial, float], solved: Mapping[Trial, bool], steps: Mapping[Trial, int]) -> str:
    """The content of recall.csv; the score is the accuracy of copying or the squared error of adding, empty for NaN."""
    rows = [
        (trial.probe, trial.lag, trial.seed, steps[trial], _number(score), int(solved[trial]))
        for trial, score in scores.items()
    ]
    return csv_text([("probe", "lag", "seed", "steps", "score", "solved"), *rows])


def _gradients_csv(flows: Mapping[str, Flow]) -> str:
    """The content of gradients.csv, before and after training; a distance that no gradient reaches has no row."""
    rows = [
        (when, distance, _number(norm), _number(hidden))
        for when, flow in flows.items()
        for distance, (norm, hidden) in enumerate(zip(flow.norms, flow.hidden, strict=True))
        if math.isfinite(norm)
    ]
    return csv_text([("when", "distance", "norm", "norm_hidden"), *rows])


def _number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""
