"""The evaluate stage: score one trained model of any task on the validation and test splits."""

from pathlib import Path

from anamnesis import console, files, models, tasks
from anamnesis.data.stores.store import read_stats
from anamnesis.errors import AnamnesisError
from anamnesis.metrics.results import Evaluation, Progress, common_metrics, curve_csv


def evaluate(name: str, root: Path) -> None:
    """Score models/NAME; write metrics/NAME.json and predictions/NAME.

    Args:
        name: the experiment.
        root: the project's folder.

    Raises:
        AnamnesisError: the model is damaged, or the token store is not the one that it was trained on.
    """
    folder = root / "models" / name
    model = models.load(folder)
    experiment = models.experiment_of(model.card)
    store = root / "data" / "tokens" / experiment.tokens
    if models.inputs_digest(experiment, root) != model.card["inputs"]:
        raise AnamnesisError(f"{folder}: trained on other tokens than {store} holds; run `anamnesis repro {name}`")
    with console.progress() as bar:
        progress = Progress(bar, f"evaluate {name}")
        found: Evaluation = tasks.part(experiment.task, "evaluation").evaluate(model, store, experiment, progress)
    metrics = common_metrics(model.card, read_stats(store), found.question) | dict(found.metrics)
    with files.new_folder(root / "predictions" / name) as predictions:
        for path, content in found.files.items():
            files.write_bytes(predictions / path, content.encode() if isinstance(content, str) else content)
        if found.learning_curve and (folder / models.HISTORY).exists():
            files.write_text(predictions / "curve.csv", curve_csv(folder / models.HISTORY, name))
    files.write_json(root / "metrics" / f"{name}.json", metrics)
    console.summary("evaluate", name, found.summary)
