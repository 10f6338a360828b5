"""The train stage: fit one experiment of any task, keep its best weights as a model folder, and sum it up."""

import time
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from anamnesis import console, models, tasks
from anamnesis.data.stores.store import read_stats
from anamnesis.training.plan import FittedModel, Job, NetworkPlan
from anamnesis.training.state import checkpoint_path
from anamnesis.training.watch import StartWatch, Watch, leads, watch_training


def train(name: str, experiment: Any, root: Path, start: StartWatch) -> None:
    """Train one experiment and write models/NAME.

    An interrupted training leaves no model; run again, it continues from its last checkpoint and ends with the bytes
    of a training that was never interrupted.

    Args:
        name: the experiment.
        experiment: its settings, of any task.
        root: the project's folder.
        start: opens a listener to the run.

    Raises:
        AnamnesisError: the loss is NaN or infinite, or the settings do not fit the data.
        SystemExit: the process was asked to end; the last checkpoint stays. Or several processes train together, and
            this one is not the first of them and has done its part.
    """
    inputs = models.inputs_digest(experiment, root)
    checkpoint = checkpoint_path(root, name, inputs, experiment.task)

    def run(watch: Watch) -> dict[str, Any]:
        job = Job(name, experiment, root, inputs, checkpoint, watch)
        started, cpu_started = time.perf_counter(), time.process_time()
        plan = tasks.part(experiment.task, "model.training").plan_training(job)
        if isinstance(plan, NetworkPlan):
            return _fit_network(job, plan)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
        return _keep(job, plan, seconds, cpu_seconds)

    watch_training(start, name, experiment, inputs, root, run)


def _keep(job: Job, fitted: FittedModel, seconds: float, cpu_seconds: float) -> dict[str, Any]:
    """Write models/NAME of a model that its task has fitted, and return its card."""
    card = models.new_card(job.name, job.experiment, read_stats(job.store), fitted.parameters, None, job.inputs)
    card |= fitted.card
    card = models.store(job.root, job.name, fitted.weights, card, fitted.files, fitted.history, fitted.samples)
    models.keep_timings(job.root, job.name, card, seconds=seconds, cpu_seconds=cpu_seconds)
    console.summary("train", job.name, fitted.summary)
    return card


def _fit_network(job: Job, plan: NetworkPlan) -> dict[str, Any]:
    """Train a network, write models/NAME with its best weights, and return the model's card."""
    import torch

    from anamnesis.training.best import Row
    from anamnesis.training.fit import fit

    experiment, first = job.experiment, leads(job.experiment)

    def after_epoch(row: Row) -> str:
        if not first:
            return ""
        number = int(row["epoch"])
        job.watch.log({key: float(value) for key, value in row.items() if key != "epoch"}, number)
        if plan.sample is None:
            return ""
        mode = plan.network.training
        plan.network.eval()
        text = plan.sample(number)
        plan.network.train(mode)
        job.watch.sample(text, number)
        return text

    if first:
        job.watch.begin(job.checkpoint.stem, resumed=job.checkpoint.exists())
    fitted = fit(
        job.name,
        plan,
        experiment.training,
        experiment.trainer,
        job.checkpoint,
        after_epoch,
    )
    if not first:
        raise SystemExit(0)
    weights: dict[str, NDArray[Any]] = {
        f"{plan.prefix}{key}": value.to(torch.float32).numpy() for key, value in fitted.weights.items()
    }
    parameters = sum(value.size for value in weights.values())
    card = models.new_card(job.name, experiment, read_stats(job.store), parameters, fitted.best_epoch, job.inputs)
    samples = [(f"after epoch {number}", text) for number, text in enumerate(fitted.samples, start=1)]
    card = models.store(
        job.root,
        job.name,
        weights | dict(plan.arrays),
        card | dict(plan.card),
        plan.files,
        fitted.history,
        samples if plan.sample else (),
    )
    speed = plan.units * fitted.steps / len(plan.train) / fitted.seconds
    models.keep_timings(
        job.root,
        job.name,
        card,
        seconds=fitted.seconds,
        cpu_seconds=fitted.cpu_seconds,
        **{f"{plan.unit.replace(' ', '_')}_per_second": speed},
    )
    best = fitted.history[fitted.best_epoch - 1]
    console.summary(
        "train",
        job.name,
        f"{parameters:,} parameters, {plan.headline.replace('_', ' ')} {best[plan.headline]:.4g} after epoch "
        f"{fitted.best_epoch} of {len(fitted.history)}, {fitted.seconds:.0f} s, {speed:,.0f} {plan.unit}/s",
    )
    return card
