"""The evaluation of forecasts of a series of values: errors one step ahead and many."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from anamnesis.data.stores.store import SPLITS, open_series, read_stats
from anamnesis.metrics.results import Evaluation, Progress, csv_text, question, round_score
from anamnesis.tasks.forecasting.evaluation.scores import scores
from anamnesis.tasks.forecasting.model.examples import Values, windows
from anamnesis.tasks.forecasting.model.forecaster import Forecaster, free_running
from anamnesis.tasks.forecasting.model.values import split_values, with_past

# Free-running forecasts of the test split that are written for the report.
SHOWN = 3


def evaluate(model: Forecaster, store: Path, experiment: Any, progress: Progress) -> Evaluation:
    """The errors on every value of a split; `values.with_past` says what precedes the first ones.

    `rmse_free_running` is over all steps of the free-running forecasts from each value that is followed by at least
    `steps - 1` values. forecasts.csv holds all values with their forecasts, free.csv some free-running forecasts of the
    test split, and steps.csv their RMSE by step.
    """
    stats, steps = read_stats(store), experiment.steps
    facts = {
        split: {"text_sha256": stats["splits"][split]["text_sha256"], "steps": steps} for split in ("valid", "test")
    }
    metrics: dict[str, dict[str, float | int]] = {}
    ahead: list[tuple[object, ...]] = [("split", "time", "value", "forecast")]
    progress.begin(len(SPLITS))
    for split in SPLITS:
        values = split_values(store, split, experiment)
        times = open_series(store, split).times
        series = values if split == "train" else with_past(store, split, model.window)
        examples = windows(series, model.window)
        forecasts = model.predict(examples.windows)
        # Nothing came before the first values of the training split.
        shown = [""] * (len(values) - len(forecasts)) + [_number(forecast) for forecast in forecasts]
        ahead += [(split, *row) for row in zip(times, map(_number, values), shown, strict=True)]
        if split != "train":
            free, actual = run_free(model, series, steps)
            squares = np.square(free - actual)
            metrics[split] = scores(forecasts, examples.targets, examples.windows[:, -1]) | {
                "rmse_free_running": round_score(math.sqrt(squares.mean())),
                "targets": len(forecasts),
                "origins": len(free),
            }
        progress.advance()
    by_step = np.sqrt(squares.mean(axis=0))
    # As far apart as possible, the first one at the beginning of the split.
    origins = np.unique(np.linspace(0, len(free) - 1, SHOWN).astype(int))
    runs: list[tuple[object, ...]] = [("origin", "step", "time", "value", "forecast")]
    for number, origin in enumerate(origins.tolist(), start=1):
        rows = zip(times[origin:], map(_number, actual[origin]), map(_number, free[origin]), strict=False)
        runs += [(number, step, *row) for step, row in enumerate(rows, start=1)]
    test = metrics["test"]
    return Evaluation(
        question(f"every value of the split, and {steps} steps free-running", **facts),
        metrics,
        {
            "forecasts.csv": csv_text(ahead),
            "free.csv": csv_text(runs),
            "steps.csv": csv_text([("step", "rmse"), *enumerate(map(_number, by_step), start=1)]),
        },
        f"test rmse {test['rmse']:.4g}, mae {test['mae']:.4g}"
        + (f", skill {test['skill']:.4g}" if "skill" in test else "")
        + f"; free-running over {steps} steps rmse {test['rmse_free_running']:.4g}",
    )


def run_free(model: Forecaster, values: Values, steps: int) -> tuple[Values, Values]:
    """Free-running forecasts of every run of `steps` values of a split, and the true values.

    Args:
        values: the values of the split, after as many earlier ones as the model's window, (window + values,).

    Returns:
        Forecasts and values, both (origins, steps); the first row begins at the split's first value.
    """
    actual = np.lib.stride_tricks.sliding_window_view(values[model.window :], steps)
    starts = windows(values, model.window).windows[: len(actual)]
    return free_running(model, starts, steps), actual


def _number(value: float) -> str:
    return f"{value:.6g}"
