"""The train stage of a memory experiment: one small language model, and networks that recall at growing lags."""

import math
import shutil
import time
from pathlib import Path
from typing import Any

from anamnesis import console, files
from anamnesis import models as folders
from anamnesis.tasks.memory import saved
from anamnesis.tasks.memory.settings import Cell, Experiment
from anamnesis.training.watch import StartWatch, Watch, watched

HISTORY = ("epoch", "seed", "lag", "steps", "valid_copy_accuracy", "valid_adding_error", "solved")


def train(name: str, experiment: Experiment, root: Path, start: StartWatch) -> None:
    """Train all networks of one experiment and write models/NAME.

    What is finished - the text model, a network at one lag - is kept until all is: after an interruption only the
    part that was under way runs again.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.
        start: opens a listener to the run; an 'epoch' is one network trained at one lag.

    Raises:
        AnamnesisError: the gradient on the text is NaN or infinite, or the settings do not fit the data.
    """
    inputs = folders.inputs_digest(experiment, root / "data" / "tokens" / experiment.tokens)
    watched(start, name, experiment, inputs, root, lambda watch: _train(name, experiment, root, inputs, watch))


def _train(name: str, experiment: Experiment, root: Path, inputs: str, watch: Watch) -> dict[str, Any]:
    import torch

    from anamnesis.data.stores.store import open_split, read_stats
    from anamnesis.tasks.memory import budget, recall, text
    from anamnesis.tasks.memory.tasks import PROBES
    from anamnesis.training import memory
    from anamnesis.training.state import checkpoint_path

    torch.set_num_threads(1)
    memory.keep()
    started, cpu_started = time.perf_counter(), time.process_time()
    store = root / "data" / "tokens" / experiment.tokens
    stats, ids = read_stats(store), open_split(store, "train")
    cell, parameters = budget.largest(experiment)
    unfinished = checkpoint_path(root, name, inputs, experiment.task).with_suffix("")
    watch.begin(unfinished.name, resumed=unfinished.exists())
    lags, seeds = experiment.recall.lags, range(experiment.seed, experiment.seed + experiment.recall.seeds)
    weights: dict[str, torch.Tensor] = {}
    rows: list[dict[str, Any]] = []
    trained: list[dict[str, Any]] = []
    with console.progress() as bar:
        steps = text.steps(len(ids), experiment.training, experiment.text.unroll)
        task = bar.add_task(f"train {name}, text", total=steps)
        part = _text(experiment, cell, ids, stats["vocabulary_size"], unfinished, lambda: bar.advance(task))
        weights |= part[0]
        task = bar.add_task(f"train {name}, recall", total=len(PROBES) * len(seeds) * len(lags))

        def climb(place: recall.Place) -> bool:
            found, facts = _recall(experiment, cell, place, weights, unfinished)
            weights.update(found)
            solved = recall.error(place.probe, facts["score"], experiment.recall) <= 1
            row = _row(len(rows) + 1, place, facts, solved)
            rows.append(row)
            watch.log({key: float(value) for key, value in row.items() if key != "epoch"}, row["epoch"])
            trained.append({"probe": place.probe, "seed": place.seed, "lag": place.lag, "steps": facts["steps"]})
            bar.update(task, description=f"train {name}, {place.probe} at lag {place.lag}")
            bar.advance(task)
            return solved

        spans: dict[str, list[int]] = {}
        for probe in PROBES:
            spans[probe] = []
            for seed in seeds:
                tried = recall.ladder(probe, seed, lags, climb)
                bar.advance(task, len(lags) - len(tried))
                spans[probe].append(recall.span(tried))
    card = saved.new_card(name, experiment, stats, cell, parameters, inputs, trained)
    with files.new_folder(root / "models" / name) as folder:
        card = saved.save(folder, weights, card, store, _clipping(part[1]["norms"]))
        files.write_text(folder / "history.csv", _history(rows))
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    folders.keep_timings(root, name, card, seconds=seconds, cpu_seconds=cpu_seconds)
    shutil.rmtree(unfinished.parent, ignore_errors=True)
    told = "; ".join(f"{probe} up to lag {', '.join(map(str, spans[probe]))}" for probe in PROBES)
    console.summary("train", name, f"{parameters:,} parameters in {cell.hidden} units, {told}, {seconds:.0f} s")
    return card


def _text(experiment: Experiment, cell: Cell, ids: Any, vocabulary: int, unfinished: Path, advance: Any) -> Any:
    """The text model as it starts, 'text.initial/...', and as it ends, 'text.trained/...'; the gradients' norms."""
    import torch

    from anamnesis.tasks.memory import text
    from anamnesis.tasks.memory.network import text_network
    from anamnesis.tasks.memory.parts import kept

    def make() -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        torch.manual_seed(experiment.seed)
        network = text_network(cell, experiment.features, vocabulary)
        weights = {f"text.initial/{key}": value.clone() for key, value in network.state_dict().items()}
        norms = text.fit(network, ids, experiment.training, experiment.text.unroll, advance)
        weights |= {f"text.trained/{key}": value for key, value in network.state_dict().items()}
        return weights, {"norms": norms}

    return kept(unfinished / "text.safetensors", make)


def _recall(experiment: Experiment, cell: Cell, place: Any, weights: dict[str, Any], unfinished: Path) -> Any:
    """One network at one lag, 'PROBE.SEED.LAG/...', which begins as it ended at the lag before; steps and score."""
    import torch

    from anamnesis.tasks.memory import recall
    from anamnesis.tasks.memory.network import recall_network
    from anamnesis.tasks.memory.parts import kept

    def make() -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        torch.manual_seed(place.seed)
        network = recall_network(place.probe, cell, experiment)
        index = experiment.recall.lags.index(place.lag)
        if index:
            before = saved.key(place.probe, place.seed, experiment.recall.lags[index - 1])
            network.load_state_dict(saved.part(weights, before))
        steps, score = recall.fit(network, place, experiment)
        named = {f"{saved.key(*key)}/{name}": value for name, value in network.state_dict().items()}
        return named, {"steps": steps, "score": score}

    key = (place.probe, place.seed, place.lag)
    return kept(unfinished / f"{saved.key(*key)}.safetensors", make)


def _row(epoch: int, place: Any, facts: dict[str, Any], solved: bool) -> dict[str, Any]:
    column = "valid_copy_accuracy" if place.probe == "copy" else "valid_adding_error"
    sizes = {"epoch": epoch, "seed": place.seed, "lag": place.lag, "steps": facts["steps"]}
    # A score that is no number has no place in a file of numbers; `solved` says enough.
    score = {column: facts["score"]} if math.isfinite(facts["score"]) else {}
    return {**sizes, **score, "solved": int(solved)}


def _history(rows: list[dict[str, Any]]) -> str:
    """history.csv: one row a network and lag; each has one of the two scores, to six digits."""
    lines = [",".join(f"{row[key]:.6g}" if key in row else "" for key in HISTORY) for row in rows]
    return "\n".join([",".join(HISTORY), *lines]) + "\n"


def _clipping(norms: list[tuple[float, float]]) -> str:
    """Step by step, the global norm of the gradient on the text before and after it is clipped."""
    lines = [f"{step},{before:.6g},{after:.6g}" for step, (before, after) in enumerate(norms, start=1)]
    return "\n".join(["step,before,after", *lines]) + "\n"
