"""The evaluate stage: score one trained model of any task on the validation and test splits."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anamnesis import console, files, models, tasks
from anamnesis.data.stores.store import read_stats
from anamnesis.errors import AnamnesisError
from anamnesis.metrics.results import Evaluation, Progress, common_metrics, curve_csv
from anamnesis.training.settings import Baseline


def evaluate(name: str, root: Path) -> None:
    """Score models/NAME on the device that its experiment names; write metrics/NAME.json and predictions/NAME.

    Args:
        name: the experiment.
        root: the project's folder.

    Raises:
        AnamnesisError: the model is damaged, or the token store is not the one that it was trained on.
    """
    folder = root / "models" / name
    experiment = models.experiment_of(models.read_card(folder))
    device = device_of(name, experiment)
    with single_precision(device), console.progress() as bar:
        model = models.load(folder, device)
        store = root / "data" / "tokens" / experiment.tokens
        if models.inputs_digest(experiment, root) != model.card["inputs"]:
            raise AnamnesisError(f"{folder}: trained on other tokens than {store} holds; run `anamnesis repro {name}`")
        progress = Progress(bar, f"evaluate {name}")
        found: Evaluation = tasks.part(experiment.task, "evaluation").evaluate(model, store, experiment, progress)
    metrics = common_metrics(model.card, read_stats(store), found.question) | dict(found.metrics)
    metrics["evaluated_on"] = "cpu" if device == "cpu" else "gpu"
    with files.new_folder(root / "predictions" / name) as predictions:
        for path, content in found.files.items():
            files.write_bytes(predictions / path, content.encode() if isinstance(content, str) else content)
        if found.learning_curve and (folder / models.HISTORY).exists():
            files.write_text(predictions / "curve.csv", curve_csv(folder / models.HISTORY, name))
    files.write_json(root / "metrics" / f"{name}.json", metrics)
    console.summary("evaluate", name, found.summary)


def device_of(name: str, experiment: Any) -> str:
    """The device that evaluates an experiment: "cuda" if its `trainer` allows a GPU and PyTorch finds one, else "cpu".

    A model that was trained on a GPU can be evaluated on a machine without one: the scores agree.
    """
    wanted = experiment.trainer.accelerator
    if wanted == "cpu" or experiment.cpu_only or isinstance(getattr(experiment, "model", None), Baseline):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "gpu":
        note = f"note: {name}: trainer.accelerator: found 'gpu', but PyTorch sees none; evaluated on the CPU"
        print(note, file=sys.stderr, flush=True)
    return "cpu"


@contextmanager
def single_precision(device: str) -> Iterator[None]:
    """Compute in full single precision: a GPU may otherwise round factors to the 11 bits of TF32."""
    if device == "cpu":
        yield
        return
    from torch.backends import cuda, cudnn

    before = cuda.matmul.allow_tf32, cudnn.allow_tf32
    cuda.matmul.allow_tf32 = cudnn.allow_tf32 = False
    try:
        yield
    finally:
        cuda.matmul.allow_tf32, cudnn.allow_tf32 = before
