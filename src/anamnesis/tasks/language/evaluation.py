"""The evaluate stage of a language model: its scores on the validation and test splits, and texts it writes."""

from collections.abc import Callable
from math import exp, fsum, isfinite
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anamnesis import console, files
from anamnesis.errors import AnamnesisError
from anamnesis.metrics.results import common_metrics, csv_text, curve_csv, question, rounded
from anamnesis.tasks.language import context, objectives, saved
from anamnesis.tasks.language.bits import bits_per_character_of
from anamnesis.tasks.language.generation import samples
from anamnesis.tasks.language.preference import shuffle_preference
from anamnesis.tasks.language.protocol import NextTokenModel, StateReader
from anamnesis.tasks.language.reading import target_scores
from anamnesis.tasks.language.scoring import counted
from anamnesis.tasks.language.settings import Experiment


class SplitScores(NamedTuple):
    """Metrics of a split by name, and ln p (tokens - 1,) of each of its tokens but the first, `<s>` included.

    The log-probabilities are None where the caller did not ask to keep them.
    """

    metrics: dict[str, float | int]
    log_probabilities: NDArray[np.float64] | None


def evaluate_split(
    model: NextTokenModel,
    ids: NDArray[np.integer],
    stats_split: dict[str, Any],
    alphabet: int,
    chunk: int | None = None,
    progress: Callable[[int], None] = lambda tokens: None,
    keep: bool = False,
) -> SplitScores:
    """Scores of a model on a whole split, read as one stream from the initial state, in memory for one chunk.

    Every token but the first of the split and `<s>` is a target and weighs the same. `accuracy` and `top5_accuracy`
    are the shares of targets that were the model's likeliest token, or among its five likeliest; see `targets.credit`.

    Args:
        ids: the split's tokens (tokens,).
        stats_split: its entry in stats.json.
        alphabet: number of different characters in the training split.
        chunk: as for `target_scores`.
        progress: called with the number of tokens scored since the last call.
        keep: return the log-probabilities, 8 bytes for each token.

    Returns:
        perplexity, bits_per_character, accuracy, top5_accuracy to 6 significant digits, and targets, their number.

    Raises:
        AnamnesisError: the split has no target, or the model gives one of them no probability.
    """
    sums: list[list[float]] = [[], [], []]
    kept = [np.empty(0)]
    place = count = 0
    for scores in target_scores(model, ids, chunk):
        length = len(scores.top1)
        targets = counted(model.tokenizer, ids[place : place + length + 1])
        # Exact sums, so that no rounding depends on where a chunk ends.
        sums = [exact_sum(sum_, column[targets]) for sum_, column in zip(sums, scores, strict=True)]
        if keep:
            kept.append(scores.log_probabilities)
        place += length
        count += int(np.count_nonzero(targets))
        progress(length)
    if count == 0:
        raise AnamnesisError(f"found {len(ids)} tokens, none of which is to be predicted")
    log_probability, top1, top5 = map(fsum, sums)
    if not isfinite(log_probability):
        raise AnamnesisError("the model gives a token of the text no probability, or none that is a number")
    metrics = {
        "perplexity": rounded(_perplexity(-log_probability / count)),
        "bits_per_character": rounded(bits_per_character_of(stats_split, alphabet)(-log_probability)),
        "accuracy": rounded(top1 / count),
        "top5_accuracy": rounded(top5 / count),
        "targets": count,
    }
    return SplitScores(metrics, np.concatenate(kept) if keep else None)


def exact_sum(sum_: list[float], values: NDArray[np.float64]) -> list[float]:
    """A few numbers whose exact sum is that of all of `sum_` and `values`; one alone where it is not finite."""
    terms, result = [*sum_, *values.tolist()], list[float]()
    # `fsum` rounds the exact sum once; what it rounded off is the exact sum of the terms and of its negative.
    while rest := fsum(terms):
        if not isfinite(rest):
            return [rest]
        result.append(rest)
        terms.append(-rest)
    return result


def evaluate_splits(
    title: str, model: NextTokenModel, store: Path, splits: tuple[str, ...], keep: bool = False
) -> dict[str, SplitScores]:
    """`evaluate_split` for each of some splits of a token store, in the model's tokens, with a progress bar.

    Raises:
        AnamnesisError: as `evaluate_split`, the file named; or a file of the store is missing or damaged.
    """
    from anamnesis.data.stores.store import read_stats
    from anamnesis.tasks.language.reencoded import read_split

    alphabet = read_stats(store)["alphabet"]
    read = {split: read_split(store, split, model.tokenizer) for split in splits}
    scores = {}
    with console.progress() as bar:
        task = bar.add_task(title, total=sum(max(len(tokens) - 1, 0) for tokens, _ in read.values()))
        for split, (tokens, counts) in read.items():
            try:
                scores[split] = evaluate_split(
                    model,
                    tokens,
                    counts,
                    alphabet,
                    progress=lambda count: bar.advance(task, count),
                    keep=keep,
                )
            except AnamnesisError as error:
                raise AnamnesisError(f"{store / split}.npy: {error}") from None
    return scores


def evaluate(name: str, experiment: Any, root: Path) -> None:
    """Score models/NAME on its validation and test splits; write metrics/NAME.json and predictions/NAME.

    Beside the scores of `evaluate_split` there are, where the split is long enough to tell, `shuffle_preference` (see
    `preference.py`) and, of a network, `context_tokens` (see `context.py`).

    Args:
        name: the experiment.
        experiment: its settings; those of another objective than the next token go to the slice that has it.
        root: the project's folder.

    Raises:
        AnamnesisError: the model is damaged, or was trained on other tokens than the store now holds.
    """
    if isinstance(experiment, Experiment):
        _evaluate(name, experiment, root)
    else:
        objectives.module(experiment.objective, "evaluation").evaluate(name, experiment, root)


def text_question(stats: dict[str, Any]) -> dict[str, str]:
    """What every language model of a text is asked, whatever its tokens: the whole text, as `bits.py` prices it.

    Args:
        stats: content of the token store's stats.json.
    """
    facts = {
        split: {"text_sha256": stats["splits"][split]["text_sha256"], "score": "bits per character"}
        for split in ("valid", "test")
    }
    return question("the whole text, whatever the tokens", **facts)


def _evaluate(name: str, experiment: Experiment, root: Path) -> None:
    from anamnesis.data.stores.store import read_stats
    from anamnesis.tasks.language.reencoded import read_split

    folder, store = root / "models" / name, root / "data" / "tokens" / experiment.tokens
    model = saved.load(folder)
    card = model.card
    stats = read_stats(store)
    if not saved.fits(card, store, stats):
        raise AnamnesisError(f"{folder}: trained on other tokens than {store} holds; run `anamnesis repro {name}`")
    metrics = common_metrics(card, stats, text_question(stats))
    contexts = []
    keep = isinstance(model, StateReader)
    by_split = evaluate_splits(f"evaluate {name}", model, store, ("valid", "test"), keep)
    for split, scores in by_split.items():
        ids, _ = read_split(store, split, model.tokenizer)
        metrics[split] = scores.metrics
        if (preference := shuffle_preference(model, ids)) is not None:
            metrics[split]["shuffle_preference"] = rounded(preference)
        if isinstance(model, StateReader):
            assert scores.log_probabilities is not None
            found = context.cut(model, ids, scores.log_probabilities)
            if found is not None:
                contexts += context.csv_rows(split, found)
                if found.span is not None:
                    metrics[split]["context_tokens"] = found.span
    with files.new_folder(root / "predictions" / name) as predictions:
        files.write_json(predictions / "samples.json", samples(model, experiment.sampling, experiment.seed))
        files.write_text(predictions / "curve.csv", curve_csv(folder / "history.csv", name))
        if contexts:
            files.write_text(predictions / "context.csv", csv_text([("split", "tokens", "perplexity"), *contexts]))
    files.write_json(root / "metrics" / f"{name}.json", metrics)
    test = metrics["test"]
    console.summary(
        "evaluate",
        name,
        f"test perplexity {test['perplexity']:.4g}, {test['bits_per_character']:.4g} bits per character, "
        f"accuracy {100 * test['accuracy']:.1f} %, over {test['targets']:,} tokens",
    )


def _perplexity(nats: float) -> float:
    try:
        return exp(nats)
    except OverflowError:
        raise AnamnesisError(f"found {nats:.4g} nats a token: a perplexity too large to write down") from None
