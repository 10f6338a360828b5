"""The evaluation of forecasts of word numbers: errors beside two baselines, and the nonsense that they spell."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import files
from anamnesis.data.stores.store import SPLITS, open_split
from anamnesis.metrics.results import Evaluation, Progress, question, round_score
from anamnesis.tasks.forecasting.evaluation.scores import scores
from anamnesis.tasks.forecasting.model.forecaster import Forecaster, free_running
from anamnesis.tasks.forecasting.model.numbering import UNSEEN, Words
from anamnesis.tasks.forecasting.model.words import Targets, mean_number, word_targets


def evaluate(model: Forecaster, store: Path, experiment: Any, progress: Progress) -> Evaluation:
    """The errors on all words that have a number; samples.json holds the words nearest to some forecasts."""
    assert model.words is not None
    rows = {split: model.words.numbers(np.asarray(open_split(store, split))) for split in SPLITS}
    mean = mean_number(rows["train"])
    targets = {split: word_targets(rows[split], model.window) for split in ("valid", "test")}
    # The numbers depend on the words that the token store keeps.
    facts = {
        split: {"targets": files.digest(each.places.tobytes(), each.numbers.tobytes()), "score": "rmse"}
        for split, each in targets.items()
    }
    metrics = {split: word_scores(model, model.words, each, mean) for split, each in targets.items()}
    test = metrics["test"]
    return Evaluation(
        question(f"every word that has one of {len(model.words):,} numbers", **facts),
        metrics,
        {"samples.json": files.canonical_json(samples(model, model.words, targets["test"], experiment.steps))},
        f"test rmse {test['rmse']:.4g} word numbers (the mean: {test['mean_rmse']:.4g}, the last word: "
        f"{test['repeat_rmse']:.4g}), accuracy {100 * test['accuracy']:.2f} %, over {test['targets']:,} words",
    )


def word_scores(model: Forecaster, words: Words, targets: Targets, mean: float) -> dict[str, float | int]:
    """Errors of a model on every word that has a number, in word numbers, to 6 significant digits.

    Where the window before a word is not whole, the forecast is `mean`: so models of any window forecast the same
    words.

    Args:
        mean: the mean number of the training split's words.

    Returns:
        `scores`, with the mean for a missing last word; accuracy, the share of words that are the nearest to their
        forecast; mean_rmse and repeat_rmse, of the mean and of the last word as forecasts; targets, how many words
        there are; whole_windows, before how many of them the model could read.
    """
    numbers = targets.numbers.astype(np.float64)
    forecasts = np.full(len(numbers), mean)
    if len(targets.windows):
        forecasts[targets.whole] = model.predict(targets.windows.astype(np.float64))
    repeated = np.where(targets.before == UNSEEN, mean, targets.before)
    return {
        **scores(forecasts, numbers, repeated),
        "accuracy": round_score(float((words.nearest(forecasts) == targets.numbers).mean())),
        "mean_rmse": round_score(float(np.sqrt(np.square(numbers - mean).mean()))),
        "repeat_rmse": round_score(float(np.sqrt(np.square(numbers - repeated).mean()))),
        "targets": len(numbers),
        "whole_windows": len(targets.windows),
    }


def samples(model: Forecaster, words: Words, targets: Targets, length: int) -> list[dict[str, str]]:
    """What follows one window: the true text, the words nearest to forecasts one step ahead, and free-running ones.

    Args:
        targets: of a split.
        length: words to write; the first two are as many as the text goes on without an unseen word, at most.

    Returns:
        `prompt`, `strategy` and `text` of each.
    """
    windows, numbers = targets.examples()
    run = longest_run(targets.places[targets.whole], length)
    prompt = words.spell(windows[run.start])
    texts = {
        "the true text": numbers[run],
        "one step at a time, after the true text": words.nearest(model.predict(windows[run])),
        "free-running, after its own words": free_running(model, windows[run][:1], length)[0],
    }
    return [{"prompt": prompt + " ", "strategy": name, "text": words.spell(row)} for name, row in texts.items()]


def longest_run(places: NDArray[np.int64], length: int) -> slice:
    """The first run of `length` consecutive numbers in an ascending row (places,); else the longest run."""
    starts = np.flatnonzero(np.diff(places, prepend=places[0] - 2) != 1)
    lengths = np.minimum(np.diff(starts, append=len(places)), length)
    first = int(np.argmax(lengths))
    return slice(int(starts[first]), int(starts[first] + lengths[first]))
