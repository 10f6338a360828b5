"""The train stage of a network, whatever its task: fit it, keep its best weights as a model folder, say how it went."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from anamnesis import console
from anamnesis.training import saved
from anamnesis.training.best import Row
from anamnesis.training.fit import fit
from anamnesis.training.module import TaskModule
from anamnesis.training.state import checkpoint_path
from anamnesis.training.watch import Watch, leads


def train_network(
    name: str,
    experiment: Any,
    root: Path,
    stats: Mapping[str, Any],
    inputs: str,
    watch: Watch,
    module: TaskModule,
    train: Any,
    valid: Any,
    *,
    headline: str,
    epoch: tuple[str, int],
    more: Mapping[str, bytes] | None = None,
    entries: Mapping[str, Any] | None = None,
    arrays: Mapping[str, NDArray[Any]] | None = None,
    prefix: str = "",
    sample: Callable[[], str] | None = None,
) -> dict[str, Any]:
    """Train `module` and write models/NAME, its timings and one line that sums it up.

    Args:
        name: the experiment.
        experiment: its settings, of any task, with a `training` block.
        root: the project's folder.
        stats: content of the token store's stats.json.
        inputs: `saved.inputs_digest` of the experiment.
        watch: the listener to the run.
        module: with the network, seeded before it was made.
        train: sized iterable of batches with `state_dict` and `load_state_dict` that hold its position.
        valid: sized iterable of batches.
        headline: the column of an epoch's row that the summary states.
        epoch: what a training epoch reads, as its plural and how many, such as ("documents", 4936): the speed's unit.
        more: content of the other files that using the model takes, by name.
        entries: what the card says besides.
        arrays: stored beside the network's parameters, and not counted as such.
        prefix: of the names of the network's parameters where they are stored.
        sample: what the network, in evaluation mode, makes of its task now, as text; None: it writes nothing.

    Returns:
        The card, model.json.

    Raises:
        AnamnesisError: the loss is NaN or infinite.
        SystemExit: the process was asked to end; the last checkpoint stays. Or it is one of several that train
            together and not the first of them, and has done its part.
    """
    first = leads(experiment)

    def on_epoch(row: Row) -> str:
        if not first:
            return ""
        number = int(row["epoch"])
        watch.log({key: float(value) for key, value in row.items() if key != "epoch"}, number)
        if sample is None:
            return ""
        mode = module.network.training
        module.network.eval()
        text = sample()
        module.network.train(mode)
        watch.sample(text, number)
        return text

    checkpoint = checkpoint_path(root, name, inputs, experiment.task)
    if first:
        watch.begin(checkpoint.stem, resumed=checkpoint.exists())
    fitted = fit(name, module, train, valid, experiment.training, experiment.trainer, checkpoint, on_epoch)
    if not first:
        raise SystemExit(0)
    weights: dict[str, NDArray[Any]] = {
        f"{prefix}{key}": value.to(torch.float32).numpy() for key, value in fitted.weights.items()
    }
    parameters = sum(value.size for value in weights.values())
    card = saved.new_card(name, experiment, stats, parameters, fitted.best_epoch, inputs) | dict(entries or {})
    samples = [(f"after epoch {number}", text) for number, text in enumerate(fitted.samples, start=1)]
    card = saved.store(
        root, name, weights | dict(arrays or {}), card, more or {}, fitted.history, samples if sample else []
    )
    unit, count = epoch
    speed = count * fitted.steps / len(train) / fitted.seconds
    saved.keep_timings(
        root,
        name,
        card,
        seconds=fitted.seconds,
        cpu_seconds=fitted.cpu_seconds,
        **{f"{unit.replace(' ', '_')}_per_second": speed},
    )
    best = fitted.history[fitted.best_epoch - 1]
    console.summary(
        "train",
        name,
        f"{parameters:,} parameters, {headline.replace('_', ' ')} {best[headline]:.4g} after epoch {fitted.best_epoch} "
        f"of {len(fitted.history)}, {fitted.seconds:.0f} s, {speed:,.0f} {unit}/s",
    )
    return card
