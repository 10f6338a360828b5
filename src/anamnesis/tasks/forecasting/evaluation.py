"""The evaluate stage of a forecaster: errors one step ahead and many, beside those of saying the last value again."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from anamnesis import console, files
from anamnesis.errors import AnamnesisError
from anamnesis.metrics.results import common_metrics, csv_text, curve_csv, question, rounded
from anamnesis.tasks.forecasting import saved
from anamnesis.tasks.forecasting.forecaster import Forecaster, free_running
from anamnesis.tasks.forecasting.settings import Experiment, Network
from anamnesis.tasks.forecasting.windows import Values, split_values, windows, with_past

# Free-running forecasts of the test split that are kept to be drawn.
SHOWN = 3


def scores(forecasts: Values, values: Values, before: Values) -> dict[str, float]:
    """Errors of forecasts one step ahead, to 6 significant digits.

    Args:
        forecasts: (values,).
        values: what came (values,).
        before: the value before each (values,), which is what the last value forecasts.

    Returns:
        rmse and mae in the units of the data; skill, 1 - MSE / MSE of the last value: 1 is perfect, 0 as good as saying
        the last value again. Where that makes no error there is no skill.
    """
    mse, floor = (float(np.square(found - values).mean()) for found in (forecasts, before))
    found = {"rmse": rounded(math.sqrt(mse)), "mae": rounded(float(np.abs(forecasts - values).mean()))}
    return found | ({"skill": rounded(1 - mse / floor)} if floor > 0 else {})


def run_free(model: Forecaster, values: Values, steps: int) -> tuple[Values, Values]:
    """Free-running forecasts of every run of `steps` values of a split, and what came instead.

    Args:
        values: of the split, after as many as the model's window that came before it (window + values,).

    Returns:
        Forecasts and values, both (origins, steps); the first row begins at the split's first value.
    """
    targets = np.lib.stride_tricks.sliding_window_view(values[model.window :], steps)
    starts, _ = windows(values, model.window)
    return free_running(model, starts[: len(targets)], steps), targets


def evaluate(name: str, experiment: Experiment, root: Path) -> None:
    """Score models/NAME on its validation and test splits; write metrics/NAME.json and predictions/NAME.

    Every value of a split is forecast; `windows.with_past` says from what the first ones are. `rmse_free_running` is
    over all steps of the free-running forecasts from every value that has `steps` values to come, itself among them.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.

    Raises:
        AnamnesisError: the model is damaged, or was trained on another series than the store now holds.
    """
    from anamnesis.data.stores.store import open_series, read_stats

    folder, store = root / "models" / name, root / "data" / "tokens" / experiment.tokens
    model, stats = saved.load(folder), read_stats(store)
    if model.card.get("train_text_sha256") != stats["splits"]["train"]["text_sha256"]:
        raise AnamnesisError(f"{folder}: trained on another series than {store} holds; run `anamnesis repro {name}`")
    asked = question(
        f"every value of the split, and {experiment.steps} steps free-running",
        **{
            split: {"text_sha256": stats["splits"][split]["text_sha256"], "steps": experiment.steps}
            for split in ("valid", "test")
        },
    )
    metrics: dict[str, Any] = common_metrics(model.card, stats, asked)
    ahead: list[tuple[object, ...]] = [("split", "time", "value", "forecast")]
    for split in ("train", "valid", "test"):
        values = split_values(store, split, experiment)
        times = open_series(store, split).times
        series = values if split == "train" else with_past(store, split, model.window)
        read, targets = windows(series, model.window)
        forecasts = model.predict(read)
        # Nothing came before the first values of the training split.
        shown = [""] * (len(values) - len(forecasts)) + [_number(forecast) for forecast in forecasts]
        ahead += [(split, *row) for row in zip(times, map(_number, values), shown, strict=True)]
        if split == "train":
            continue
        free, came = run_free(model, series, experiment.steps)
        squared = np.square(free - came)
        metrics[split] = scores(forecasts, targets, read[:, -1]) | {
            "rmse_free_running": rounded(math.sqrt(squared.mean())),
            "targets": len(targets),
            "origins": len(free),
        }
    by_step = np.sqrt(squared.mean(axis=0))
    steps = [("step", "rmse"), *((step, _number(rmse)) for step, rmse in enumerate(by_step, start=1))]
    # As far apart as can be, the first at the beginning.
    origins = np.unique(np.linspace(0, len(free) - 1, SHOWN).astype(int))
    runs: list[tuple[object, ...]] = [("origin", "step", "time", "value", "forecast")]
    for number, origin in enumerate(origins.tolist(), start=1):
        rows = zip(times[origin:], map(_number, came[origin]), map(_number, free[origin]), strict=False)
        runs += [(number, step, *row) for step, row in enumerate(rows, start=1)]
    with files.new_folder(root / "predictions" / name) as predictions:
        files.write_text(predictions / "forecasts.csv", csv_text(ahead))
        files.write_text(predictions / "free.csv", csv_text(runs))
        files.write_text(predictions / "steps.csv", csv_text(steps))
        if isinstance(experiment.model, Network):
            files.write_text(predictions / "curve.csv", curve_csv(folder / "history.csv", name))
    files.write_json(root / "metrics" / f"{name}.json", metrics)
    test = metrics["test"]
    console.summary(
        "evaluate",
        name,
        f"test rmse {test['rmse']:.4g}, mae {test['mae']:.4g}"
        + (f", skill {test['skill']:.4g}" if "skill" in test else "")
        + f"; free-running over {experiment.steps} steps rmse {test['rmse_free_running']:.4g}",
    )


def _number(value: float) -> str:
    return f"{value:.6g}"
