"""The evaluate stage of a language model: its scores on the validation and test splits, and texts it writes."""

import csv
import io
from collections.abc import Callable, Iterator
from math import exp, fsum, isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import console, files
from anamnesis.errors import AnamnesisError
from anamnesis.language import saved
from anamnesis.language.bits import bits_per_character_of
from anamnesis.language.generation import samples
from anamnesis.language.protocol import NextTokenModel, TargetScorer
from anamnesis.language.settings import Experiment
from anamnesis.language.targets import TargetScores, from_distributions

# Numbers in memory at once: log-probabilities of a chunk of tokens, or scores of a longer chunk without them.
DISTRIBUTIONS = 2**21
CHUNK = 2**16


def target_scores(model: NextTokenModel, ids: NDArray[np.integer], chunk: int | None = None) -> Iterator[TargetScores]:
    """Score each token of a text but the first, given all before it; the state is carried from chunk to chunk.

    Args:
        ids: (tokens,), any integer type; may be a memory map.
        chunk: tokens read at once, which changes nothing but time and memory; None: as many as are fast.

    Yields:
        Scores (tokens of the chunk,), together one for each of ids[1:].
    """
    scorer = model if isinstance(model, TargetScorer) else None
    if chunk is None:
        chunk = CHUNK if scorer else max(1, min(1024, DISTRIBUTIONS // model.tokenizer.vocabulary_size))
    state = model.initial_state()
    for first in range(0, len(ids) - 1, chunk):
        part = ids[first : first + chunk + 1].astype(np.int64)[None]
        read, targets = part[:, :-1], part[:, 1:]
        if scorer:
            scores, state = scorer.score_targets(read, targets, state)
        else:
            rows, state = model.predict(read, state)
            scores = from_distributions(rows, targets)
        yield TargetScores(*(array[0] for array in scores))


def evaluate_split(
    model: NextTokenModel,
    ids: NDArray[np.integer],
    stats_split: dict[str, Any],
    alphabet: int,
    chunk: int | None = None,
    progress: Callable[[int], None] = lambda tokens: None,
) -> dict[str, float | int]:
    """Scores of a model on a whole split, read as one stream from the initial state.

    Every token but the first of the split and `<s>` is a target and weighs the same. `accuracy` and `top5_accuracy`
    are the shares of targets that were the model's likeliest token, or among its five likeliest; see `targets.credit`.

    Args:
        ids: the split's tokens (tokens,).
        stats_split: its entry in stats.json.
        alphabet: number of different characters in the training split.
        chunk: as for `target_scores`.
        progress: called with the number of tokens scored since the last call.

    Returns:
        perplexity, bits_per_character, accuracy, top5_accuracy to 6 significant digits, and targets, their number.

    Raises:
        AnamnesisError: the split has no target, or the model gives one of them no probability.
    """
    kept: list[TargetScores] = []
    done = 1
    start_id = model.tokenizer.start_id
    for scores in target_scores(model, ids, chunk):
        targets = ids[done : done + len(scores.top1)]
        counted = targets != start_id if start_id is not None else np.full(len(targets), True)
        kept.append(TargetScores(*(array[counted] for array in scores)))
        done += len(targets)
        progress(len(targets))
    count = sum(len(scores.top1) for scores in kept)
    if count == 0:
        raise AnamnesisError(f"found {len(ids)} tokens, none of which is to be predicted")
    # Exact sums, so that no rounding depends on where a chunk ends.
    log_probability, top1, top5 = (fsum(x for scores in kept for x in scores[column].tolist()) for column in range(3))
    if not isfinite(log_probability):
        raise AnamnesisError("the model gives a token of the text no probability, or none that is a number")
    return {
        "perplexity": _round(_perplexity(-log_probability / count)),
        "bits_per_character": _round(bits_per_character_of(stats_split, alphabet)(-log_probability)),
        "accuracy": _round(top1 / count),
        "top5_accuracy": _round(top5 / count),
        "targets": count,
    }


def evaluate(name: str, experiment: Experiment, root: Path) -> None:
    """Score models/NAME on its validation and test splits; write metrics/NAME.json and predictions/NAME.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.

    Raises:
        AnamnesisError: the model is damaged, or was trained on other tokens than the store now holds.
    """
    from anamnesis.tokens.store import open_split, read_stats

    folder, store = root / "models" / name, root / "data" / "tokens" / experiment.tokens
    model = saved.load(folder)
    card, stats = model.card, read_stats(store)
    if files.sha256_file(store / saved.TOKENIZER) != card["tokenizer_sha256"]:
        raise AnamnesisError(f"{folder}: trained on other tokens than {store} holds; run `dvc repro train@{name}`")
    splits = {split: open_split(store, split) for split in ("valid", "test")}
    scores = {}
    with console.progress() as bar:
        task = bar.add_task(f"evaluate {name}", total=sum(max(len(ids) - 1, 0) for ids in splits.values()))
        for split, ids in splits.items():
            try:
                scores[split] = evaluate_split(
                    model,
                    ids,
                    stats["splits"][split],
                    stats["alphabet"],
                    progress=lambda tokens: bar.advance(task, tokens),
                )
            except AnamnesisError as error:
                raise AnamnesisError(f"{store / split}.npy: {error}") from None
    metrics = {
        "experiment": name,
        "task": card["task"],
        "corpus": card["corpus"],
        "tokens": card["tokens"],
        "architecture": card["architecture"],
        "parameters": card["parameters"],
        "fingerprint": card["fingerprint"],
        "data": {split: stats["splits"][split]["text_sha256"] for split in splits},
        **scores,
    }
    with files.new_folder(root / "predictions" / name) as predictions:
        files.write_json(predictions / "samples.json", samples(model, experiment.sampling, experiment.seed))
        files.write_text(predictions / "curve.csv", _curve(folder / "history.csv", name))
    files.write_json(root / "metrics" / f"{name}.json", metrics)
    test = scores["test"]
    console.summary(
        "evaluate",
        name,
        f"test perplexity {test['perplexity']:.4g}, {test['bits_per_character']:.4g} bits per character, "
        f"accuracy {100 * test['accuracy']:.1f} %, over {test['targets']:,} tokens",
    )


def _curve(history: Path, name: str) -> str:
    """The rows of history.csv with a column `experiment` before them."""
    try:
        with open(history, encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise AnamnesisError(f"{history}: cannot be read: {error}; run `dvc repro train@{name}`") from None
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["experiment", *rows[0]])
    writer.writerows([name, *row] for row in rows[1:])
    return text.getvalue()


def _perplexity(nats: float) -> float:
    try:
        return exp(nats)
    except OverflowError:
        raise AnamnesisError(f"found {nats:.4g} nats a token: a perplexity too large to write down") from None


def _round(value: float) -> float:
    return float(f"{value:.6g}")
