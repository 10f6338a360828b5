"""The evaluate stage of a memory experiment: memory spans, gradient decay, and what the report draws of them."""

import math
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from anamnesis import console, files
from anamnesis.errors import AnamnesisError
from anamnesis.metrics.results import common_metrics, question, rounded
from anamnesis.tasks.memory import saved
from anamnesis.tasks.memory.settings import Experiment

if TYPE_CHECKING:
    from anamnesis.tasks.memory.gradients import Flow
    from anamnesis.tasks.memory.recall import Place

WHEN = ("initial", "trained")


def evaluate(name: str, experiment: Experiment, root: Path) -> None:
    """Measure models/NAME on validation and test data; write metrics/NAME.json and predictions/NAME.

    `memory_span_copy` and `memory_span_adding` are medians over seeds of the largest lag solved, with the lowest and
    the highest beside them as `_low` and `_high`; `memory_span` is the mean of the two medians. A span of 0 is that of
    a network which did not solve the shortest lag, and no span is longer than the longest lag tried.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.

    Raises:
        AnamnesisError: the model is damaged, or was trained on other tokens than the store now holds.
    """
    import torch

    from anamnesis.data.stores.store import open_split, read_stats
    from anamnesis.tasks.memory import gradients, recall, text

    torch.set_num_threads(1)
    folder, store = root / "models" / name, root / "data" / "tokens" / experiment.tokens
    model = saved.load(folder)
    card, stats = model.card, read_stats(store)
    if files.sha256_file(store / saved.TOKENIZER) != files.sha256_file(folder / saved.TOKENIZER):
        raise AnamnesisError(f"{folder}: trained on other tokens than {store} holds; run `anamnesis repro {name}`")
    scores: dict[str, dict[str, float]] = {}
    with console.progress() as bar:
        task = bar.add_task(f"evaluate {name}", total=2 * (len(model.recall) + 3))
        for split in ("valid", "test"):
            ids = open_split(store, split)
            probed = gradients.segments(ids, experiment.text.length, experiment.text.segments)
            flows = {}
            for when, network in zip(WHEN, (model.initial, model.trained), strict=True):
                flows[when] = gradients.flow(network, probed)
                bar.advance(task)
            recalled = {}
            for place, (network, _) in model.recall.items():
                drawn = recall.sequences(experiment, place, split).draw(experiment.recall.sequences)
                recalled[place] = recall.score(network, place.probe, *drawn)
                bar.advance(task)
            solved = {
                place: recall.error(place.probe, score, experiment.recall) <= 1 for place, score in recalled.items()
            }
            scores[split] = {
                **_spans(solved),
                **{f"gradient_decay_{when}": rounded(flow.decay) for when, flow in flows.items()},
                "perplexity": rounded(text.perplexity(model.trained, ids)),
            }
            bar.advance(task)
    steps = {place: count for place, (_, count) in model.recall.items()}
    with files.new_folder(root / "predictions" / name) as predictions:
        files.write_text(predictions / "recall.csv", _recall_csv(recalled, steps, solved))
        files.write_text(predictions / "gradients.csv", _gradients_csv(flows))
        files.write_bytes(predictions / saved.CLIPPING, (folder / saved.CLIPPING).read_bytes())
    metrics = common_metrics(card, stats, recall_question(experiment, stats)) | scores
    files.write_json(root / "metrics" / f"{name}.json", metrics)
    test = scores["test"]
    spans = ", ".join(
        f"{probe} {test[f'memory_span_{probe}']:g} ({test[f'memory_span_{probe}_low']:g} to "
        f"{test[f'memory_span_{probe}_high']:g})"
        for probe in ("copy", "adding")
    )
    console.summary(
        "evaluate",
        name,
        f"memory span {test['memory_span']:g} steps: {spans}; a step further back, the gradient is multiplied by "
        f"{test['gradient_decay_initial']:.3g} before training and by {test['gradient_decay_trained']:.3g} after it",
    )


def recall_question(experiment: Experiment, stats: dict[str, Any]) -> dict[str, str]:
    """The lags, what is to be recalled at each, and from when on a lag is solved; not how the cell was trained.

    Nor the seeds: the sequences of each are drawn from the same distribution.
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


def _spans(solved: "dict[Place, bool]") -> dict[str, float]:
    """The memory spans of both probes over all seeds, and their mean."""
    from anamnesis.tasks.memory.recall import span
    from anamnesis.tasks.memory.tasks import PROBES

    spans: dict[str, float] = {}
    for probe in PROBES:
        seeds = sorted({place.seed for place in solved if place.probe == probe})
        found = [
            span(sorted((place.lag, ok) for place, ok in solved.items() if (place.probe, place.seed) == (probe, seed)))
            for seed in seeds
        ]
        for suffix, summary in _SUMMARIES.items():
            spans[f"memory_span_{probe}{suffix}"] = float(summary(found))
    spans["memory_span"] = (spans["memory_span_copy"] + spans["memory_span_adding"]) / 2
    return spans


_SUMMARIES: dict[str, Callable[[list[int]], float]] = {"": median, "_low": min, "_high": max}


def _recall_csv(recalled: "dict[Place, float]", steps: "dict[Place, int]", solved: "dict[Place, bool]") -> str:
    """recall.csv: one row a network and lag; the score is the copy task's accuracy or the adding problem's error."""
    lines = ["probe,lag,seed,steps,score,solved"]
    for place, score in recalled.items():
        shown = f"{score:.6g}" if math.isfinite(score) else ""
        lines.append(f"{place.probe},{place.lag},{place.seed},{steps[place]},{shown},{int(solved[place])}")
    return "\n".join(lines) + "\n"


def _gradients_csv(flows: "dict[str, Flow]") -> str:
    """gradients.csv: the gradient's norm by distance, before and after training; distances without any are left out."""
    lines = ["when,distance,norm,norm_hidden"]
    for when, flow in flows.items():
        for distance, (norm, hidden) in enumerate(zip(flow.norms, flow.hidden, strict=True)):
            if math.isfinite(norm):
                lines.append(f"{when},{distance},{norm:.6g},{f'{hidden:.6g}' if math.isfinite(hidden) else ''}")
    return "\n".join(lines) + "\n"
