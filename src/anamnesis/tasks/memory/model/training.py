"""The training of a memory experiment: one small language model, and networks that recall at growing lags."""

import math
from typing import Any

import torch
from torch import Tensor

from anamnesis import console
from anamnesis.data.stores.store import open_split, read_stats
from anamnesis.tasks.memory.model import budget, recall, text
from anamnesis.tasks.memory.model.network import recall_network, text_network
from anamnesis.tasks.memory.model.parts import CLIPPING, Part, load_or_train
from anamnesis.tasks.memory.model.recall import Trial
from anamnesis.tasks.memory.model.sequences import PROBES
from anamnesis.tasks.memory.settings import Cell, Experiment
from anamnesis.training import memory
from anamnesis.training.plan import FittedModel, Job

HISTORY = ("epoch", "seed", "lag", "steps", "valid_copy_accuracy", "valid_adding_error", "solved")
TOKENIZER = "tokenizer.json"

Weights = dict[str, Tensor]


def plan_training(job: Job) -> FittedModel:
    """All trained networks of one experiment.

    Each finished network is stored at once in the folder of the checkpoint: after an interruption, only the network
    that was in training starts again. An "epoch" of the history is one network trained at one lag.

    Raises:
        AnamnesisError: the gradient on the text is NaN or infinite, or the settings do not fit the data.
    """
    experiment: Experiment = job.experiment
    memory.keep()
    stats, ids = read_stats(job.store), open_split(job.store, "train")
    cell, parameters = budget.largest(experiment)
    unfinished = job.checkpoint.with_suffix("")
    job.watch.begin(unfinished.name, resumed=unfinished.exists())
    lags, seeds = experiment.recall.lags, range(experiment.seed, experiment.seed + experiment.recall.seeds)
    rows: list[dict[str, Any]] = []
    trained: list[dict[str, Any]] = []
    with console.progress() as bar:
        steps = text.steps(len(ids), experiment.training, experiment.text.unroll)
        bar_text = bar.add_task(f"train {job.name}, text", total=steps)
        path = unfinished / "text.safetensors"
        vocabulary = stats["vocabulary_size"]
        weights, clipping = load_or_train(
            path, lambda: _train_text(experiment, cell, ids, vocabulary, lambda: bar.advance(bar_text))
        )
        bar_recall = bar.add_task(f"train {job.name}, recall", total=len(PROBES) * len(seeds) * len(lags))

        def solve(trial: Trial) -> bool:
            path = unfinished / f"{trial.key}.safetensors"
            network, result = load_or_train(path, lambda: _train_recall(experiment, cell, trial, weights))
            weights.update(network)
            solved = recall.error(trial.probe, result["score"], experiment.recall) <= 1
            row = _row(len(rows) + 1, trial, result, solved)
            rows.append(row)
            job.watch.log({key: float(value) for key, value in row.items() if key != "epoch"}, row["epoch"])
            trained.append({"probe": trial.probe, "seed": trial.seed, "lag": trial.lag, "steps": result["steps"]})
            bar.update(bar_recall, description=f"train {job.name}, {trial.probe} at lag {trial.lag}")
            bar.advance(bar_recall)
            return solved

        spans: dict[str, list[int]] = {probe: [] for probe in PROBES}
        for probe in PROBES:
            for number in seeds:
                tried = recall.try_lags(probe, number, lags, solve)
                bar.advance(bar_recall, len(lags) - len(tried))
                spans[probe].append(recall.span(tried))
    solved_lags = "; ".join(f"{probe} up to lag {', '.join(map(str, spans[probe]))}" for probe in PROBES)
    return FittedModel(
        {name: value.numpy() for name, value in weights.items()},
        parameters,
        f"{parameters:,} parameters in {cell.hidden} units, {solved_lags}",
        files={TOKENIZER: (job.store / TOKENIZER).read_bytes(), CLIPPING: _clipping_csv(clipping["norms"]).encode()},
        card={
            "vocabulary_size": vocabulary,
            "allowed_parameters": experiment.parameters,
            "parameters": parameters,
            "hidden": cell.hidden,
            "trained": trained,
        },
        history=_history_csv(rows),
    )


def _train_text(experiment: Experiment, cell: Cell, ids: Any, vocabulary: int, advance: Any) -> Part:
    """The language model's weights before training, "text.initial/...", and after it, "text.trained/..."; the norms."""
    torch.manual_seed(experiment.seed)
    network = text_network(cell, experiment.features, vocabulary)
    weights = {f"text.initial/{name}": value.clone() for name, value in network.state_dict().items()}
    norms = text.fit(network, ids, experiment.training, experiment.text.unroll, advance)
    return weights | {f"text.trained/{name}": value for name, value in network.state_dict().items()}, {"norms": norms}


def _train_recall(experiment: Experiment, cell: Cell, trial: Trial, weights: Weights) -> Part:
    """The weights of one network after one trial, "PROBE.SEED.LAG/...", its optimiser steps and validation score.

    It starts with the weights that the same network had after the lag before, in `weights`.
    """
    torch.manual_seed(trial.seed)
    network = recall_network(trial.probe, cell, experiment)
    if index := experiment.recall.lags.index(trial.lag):
        before = Trial(trial.probe, trial.seed, experiment.recall.lags[index - 1])
        network.load_state_dict(recall.weights_of(before.key, weights))
    steps, score = recall.fit(network, trial, experiment)
    named = {f"{trial.key}/{name}": value for name, value in network.state_dict().items()}
    return named, {"steps": steps, "score": score}


def _row(epoch: int, trial: Trial, result: dict[str, Any], solved: bool) -> dict[str, Any]:
    """A row of history.csv, without the score of the other probe."""
    row: dict[str, Any] = {"epoch": epoch, "seed": trial.seed, "lag": trial.lag, "steps": result["steps"]}
    # MLflow takes no NaN; `solved` says enough.
    if math.isfinite(result["score"]):
        row["valid_copy_accuracy" if trial.probe == "copy" else "valid_adding_error"] = result["score"]
    return row | {"solved": int(solved)}


def _history_csv(rows: list[dict[str, Any]]) -> str:
    """The content of history.csv: one row for each trial, numbers to six digits."""
    lines = [",".join(f"{row[key]:.6g}" if key in row else "" for key in HISTORY) for row in rows]
    return "\n".join([",".join(HISTORY), *lines]) + "\n"


def _clipping_csv(norms: list[tuple[float, float]]) -> str:
    """The content of clipping.csv: by step, the global norm of the text gradient before and after clipping."""
    lines = [f"{step},{before:.6g},{after:.6g}" for step, (before, after) in enumerate(norms, start=1)]
    return "\n".join(["step,before,after", *lines]) + "\n"
