"""The evaluation of a language model: scores on the validation and test splits, and generated texts."""

from pathlib import Path
from typing import Any

from anamnesis import files
from anamnesis.data.stores.store import read_stats
from anamnesis.metrics.results import Evaluation, Progress, csv_text, question, round_score
from anamnesis.tasks.language.evaluation import context
from anamnesis.tasks.language.evaluation.preference import shuffle_preference
from anamnesis.tasks.language.model.generation import generate
from anamnesis.tasks.language.model.language_model import LanguageModel
from anamnesis.tasks.language.model.scores import score_split
from anamnesis.tasks.language.model.text import read_split
from anamnesis.tasks.language.settings import Sampling


def evaluate(model: LanguageModel, store: Path, experiment: Any, progress: Progress) -> Evaluation:
    """Perplexity, bits per character and accuracies on the validation and test splits.

    Where a split is long enough, there are also `shuffle_preference` (see `preference.py`) and, of a network,
    `context_tokens` (see `context.py`). samples.json holds generated texts, context.csv the perplexities by context.
    """
    splits = {split: read_split(store, split, model.tokenizer) for split in ("valid", "test")}
    progress.begin(sum(split.predictions for split in splits.values()))
    metrics: dict[str, Any] = {}
    rows: list[tuple[str, str, str]] = []
    for name, split in splits.items():
        scores = score_split(model, split, progress.advance, keep=model.recurrent)
        metrics[name] = {
            "perplexity": round_score(scores.perplexity),
            "bits_per_character": round_score(split.bits_per_character(scores.nats)),
            "accuracy": round_score(scores.accuracy),
            "top5_accuracy": round_score(scores.top5_accuracy),
            "targets": scores.targets,
        }
        if (preference := shuffle_preference(model, split.ids)) is not None:
            metrics[name]["shuffle_preference"] = round_score(preference)
        if scores.log_probabilities is not None:
            measured = context.measure_context(model, split.ids, scores.log_probabilities)
            if measured is not None:
                rows += context.csv_rows(name, measured)
                if measured.span is not None:
                    metrics[name]["context_tokens"] = measured.span
    predictions: dict[str, str | bytes] = {
        "samples.json": files.canonical_json(samples(model, experiment.sampling, experiment.seed))
    }
    if rows:
        predictions["context.csv"] = csv_text([("split", "tokens", "perplexity"), *rows])
    test = metrics["test"]
    return Evaluation(
        text_question(read_stats(store)),
        metrics,
        predictions,
        f"test perplexity {test['perplexity']:.4g}, {test['bits_per_character']:.4g} bits per character, "
        f"accuracy {100 * test['accuracy']:.1f} %, over {test['targets']:,} tokens",
    )


def text_question(stats: dict[str, Any]) -> dict[str, str]:
    """The question to every language model of a text, whatever its tokens: the whole text, in bits per character.

    Args:
        stats: content of the token store's stats.json.
    """
    facts = {
        split: {"text_sha256": stats["splits"][split]["text_sha256"], "score": "bits per character"}
        for split in ("valid", "test")
    }
    return question("the whole text, whatever the tokens", **facts)


def samples(model: LanguageModel, sampling: Sampling, seed: int) -> list[dict[str, str]]:
    """Continuations of the prompt by three ways of sampling: `prompt`, `strategy` and `text` of each."""
    drawn = f"temperature {sampling.temperature:g}" + (f", top-k {sampling.top_k}" if sampling.top_k else "")
    strategies: dict[str, dict[str, Any]] = {
        "greedy": {"greedy": True},
        drawn: {"temperature": sampling.temperature, "top_k": sampling.top_k, "seed": seed},
        "top-k 10": {"top_k": 10, "seed": seed},
    }
    return [
        {
            "prompt": sampling.prompt,
            "strategy": name,
            "text": "".join(generate(model, sampling.prompt, sampling.length, noise=sampling.noise, **arguments)),
        }
        for name, arguments in strategies.items()
    ]
