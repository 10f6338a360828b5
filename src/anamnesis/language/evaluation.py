"""The evaluate stage of a language model: its scores on the validation and test splits, and texts it writes."""

from collections.abc import Callable
from math import exp, fsum, isfinite
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anamnesis import console, files
from anamnesis.errors import AnamnesisError
from anamnesis.language import context, objectives, saved
from anamnesis.language.bits import bits_per_character_of
from anamnesis.language.generation import samples
from anamnesis.language.preference import shuffle_preference
from anamnesis.language.protocol import NextTokenModel, StateReader
from anamnesis.language.reading import target_scores
from anamnesis.language.scoring import counted
from anamnesis.language.settings import Experiment
from anamnesis.language.targets import TargetScores
from anamnesis.training.results import common_metrics, csv_text, curve_csv, question, rounded


class SplitScores(NamedTuple):
    """Metrics of a split by name, and ln p (tokens - 1,) of each of its tokens but the first, `<s>` included."""

    metrics: dict[str, float | int]
    log_probabilities: NDArray[np.float64]


def evaluate_split(
    model: NextTokenModel,
    ids: NDArray[np.integer],
    stats_split: dict[str, Any],
    alphabet: int,
    chunk: int | None = None,
    progress: Callable[[int], None] = lambda tokens: None,
) -> SplitScores:
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
    for scores in target_scores(model, ids, chunk):
        kept.append(scores)
        progress(len(scores.top1))
    targets = counted(model.tokenizer, ids)
    count = int(np.count_nonzero(targets))
    if count == 0:
        raise AnamnesisError(f"found {len(ids)} tokens, none of which is to be predicted")
    every = TargetScores(*(np.concatenate(column) for column in zip(*kept, strict=True)))
    # Exact sums, so that no rounding depends on where a chunk ends.
    log_probability, top1, top5 = (fsum(column[targets].tolist()) for column in every)
    if not isfinite(log_probability):
        raise AnamnesisError("the model gives a token of the text no probability, or none that is a number")
    metrics = {
        "perplexity": rounded(_perplexity(-log_probability / count)),
        "bits_per_character": rounded(bits_per_character_of(stats_split, alphabet)(-log_probability)),
        "accuracy": rounded(top1 / count),
        "top5_accuracy": rounded(top5 / count),
        "targets": count,
    }
    return SplitScores(metrics, every.log_probabilities)


def evaluate_splits(title: str, model: NextTokenModel, store: Path, splits: tuple[str, ...]) -> dict[str, SplitScores]:
    """`evaluate_split` for each of some splits of a token store, in the model's tokens, with a progress bar.

    Raises:
        AnamnesisError: as `evaluate_split`, the file named; or a file of the store is missing or damaged.
    """
    from anamnesis.language.reencoded import read_split
    from anamnesis.tokens.store import read_stats

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
    from anamnesis.language.reencoded import read_split
    from anamnesis.tokens.store import read_stats

    folder, store = root / "models" / name, root / "data" / "tokens" / experiment.tokens
    model = saved.load(folder)
    card = model.card
    stats = read_stats(store)
    if not saved.fits(card, store, stats):
        raise AnamnesisError(f"{folder}: trained on other tokens than {store} holds; run `anamnesis repro {name}`")
    metrics = common_metrics(card, experiment.board, stats, text_question(stats))
    contexts = []
    for split, scores in evaluate_splits(f"evaluate {name}", model, store, ("valid", "test")).items():
        ids, _ = read_split(store, split, model.tokenizer)
        metrics[split] = scores.metrics
        if (preference := shuffle_preference(model, ids)) is not None:
            metrics[split]["shuffle_preference"] = rounded(preference)
        if isinstance(model, StateReader) and (found := context.cut(model, ids, scores.log_probabilities)):
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
