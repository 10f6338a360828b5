"""The evaluate stage of a regression on word numbers: errors beside two floors, and the nonsense it spells."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import console, files
from anamnesis.errors import AnamnesisError
from anamnesis.metrics.results import common_metrics, curve_csv, question, rounded
from anamnesis.tasks.numbers import numbering
from anamnesis.tasks.numbers import saved as folders
from anamnesis.tasks.numbers.network import NumberModel, decoded, spelled, written
from anamnesis.tasks.numbers.numbering import Targets
from anamnesis.tasks.numbers.settings import Experiment


def scores(model: NumberModel, targets: Targets, mean: float) -> dict[str, float | int]:
    """Errors of a model on every word that has a number, in word numbers.

    Where the window before a word is not whole, because it holds a word without a number or reaches back beyond the
    start of the split, the model is taken to say `mean`: so models of any window answer for the same words.

    Args:
        mean: the mean number of the training split's words, the first baseline.

    Returns:
        rmse and mae of the predictions as they are; accuracy, the share of words that the rounded prediction hits;
        mean_rmse and repeat_rmse, of the baselines that always say the mean, and the last word once more (the mean
        where that has no number); targets, how many words there are; whole_windows, before how many of them the model
        could read. To 6 significant digits.
    """
    wanted = targets.numbers
    predictions = np.full(len(wanted), mean)
    if len(targets.windows):
        predictions[targets.whole] = model.predict(targets.windows)
    repeated = np.where(targets.last == numbering.UNSEEN, mean, targets.last)
    return {
        "rmse": rounded(_rmse(predictions - wanted)),
        "mae": rounded(np.abs(predictions - wanted).mean()),
        "accuracy": rounded((decoded(model, predictions) == wanted).mean()),
        "mean_rmse": rounded(_rmse(wanted - mean)),
        "repeat_rmse": rounded(_rmse(wanted - repeated)),
        "targets": len(wanted),
        "whole_windows": len(targets.windows),
    }


def samples(model: NumberModel, windows: NDArray[np.int64], length: int) -> list[dict[str, str]]:
    """What follows the first window, three times: by the true text, word by word after the true text, and free-running.

    Args:
        windows: of a split, in the order of its text (windows, window + 1).
        length: words to write; the first two are as many as the text goes on without an unseen word, at most.

    Returns:
        `prompt`, `strategy` and `text` of each.
    """
    first = _run(windows, length)
    prompt = spelled(model, first[0, :-1])
    steps = decoded(model, model.predict(first[:, :-1]))
    texts = {
        "the true text": first[:, -1],
        "one step at a time, after the true text": steps,
        "free-running, after its own words": written(model, first[0, :-1], length),
    }
    return [{"prompt": prompt + " ", "strategy": name, "text": spelled(model, row)} for name, row in texts.items()]


def evaluate(name: str, experiment: Experiment, root: Path) -> None:
    """Score models/NAME on its validation and test splits; write metrics/NAME.json and predictions/NAME.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.

    Raises:
        AnamnesisError: the model is damaged, or was trained on other tokens than the store now holds.
    """
    from anamnesis.data.stores.store import open_split, read_stats

    folder, store = root / "models" / name, root / "data" / "tokens" / experiment.tokens
    model = folders.load(folder)
    if files.sha256_file(store / folders.TOKENIZER) != model.card["tokenizer_sha256"]:
        raise AnamnesisError(f"{folder}: trained on other tokens than {store} holds; run `anamnesis repro {name}`")
    rows = {
        split: numbering.numbers(np.asarray(open_split(store, split)), model.words, model.tokenizer)
        for split in ("train", "valid", "test")
    }
    mean = numbering.mean(rows["train"])
    asked = {split: numbering.targets(rows[split], experiment.model.window) for split in ("valid", "test")}
    metrics: dict[str, Any] = common_metrics(model.card, read_stats(store), _question(model, asked))
    metrics |= {split: scores(model, found, mean) for split, found in asked.items()}
    test_windows = numbering.windows(rows["test"], experiment.model.window)
    with files.new_folder(root / "predictions" / name) as predictions:
        files.write_json(predictions / "samples.json", samples(model, test_windows, experiment.length))
        files.write_text(predictions / "curve.csv", curve_csv(folder / "history.csv", name))
    files.write_json(root / "metrics" / f"{name}.json", metrics)
    test = metrics["test"]
    console.summary(
        "evaluate",
        name,
        f"test rmse {test['rmse']:.4g} word numbers (the mean: {test['mean_rmse']:.4g}, the last word: "
        f"{test['repeat_rmse']:.4g}), accuracy {100 * test['accuracy']:.2f} %, over {test['targets']:,} words",
    )


def _question(model: NumberModel, asked: dict[str, Targets]) -> dict[str, str]:
    """Which words are asked, and their numbers, which depend on the words that the token store keeps."""
    facts = {
        split: {"targets": files.digest(found.places.tobytes(), found.numbers.tobytes()), "score": "rmse"}
        for split, found in asked.items()
    }
    return question(f"every word that has one of {len(model.words):,} numbers", **facts)


def _run(windows: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """The first `length` windows of which each starts one word after the one before; else the longest such run."""
    follows = (windows[1:, :-1] == windows[:-1, 1:]).all(axis=1)
    ends = np.concatenate((np.flatnonzero(~follows) + 1, [len(windows)]))
    starts = np.concatenate(([0], ends[:-1]))
    lengths = ends - starts
    chosen = int(np.argmax(np.minimum(lengths, length)))
    return windows[starts[chosen] : starts[chosen] + min(int(lengths[chosen]), length)]


def _rmse(errors: NDArray[np.number]) -> float:
    return float(np.sqrt(np.square(errors).mean()))
