"""The leaderboards: which experiments compete, and which score ranks them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Board:
    """The leaderboard of one task.

    Experiments compete if they answer the same question about one corpus; see `metrics.results.question`.

    Attributes:
        title: the question, for people.
        metric: the score that ranks experiments, by its name in metrics/EXPERIMENT.json, on the validation split.
        higher: whether a higher score is better.
        metrics: the scores to show, the ranking one first.
        registered: whether the best model of each corpus is registered in MLflow.
    """

    title: str
    metric: str
    higher: bool
    metrics: tuple[str, ...]
    registered: bool = True


BOARDS: dict[str, Board] = {
    "language": Board(
        "Which token comes next?",
        "bits_per_character",
        False,
        ("bits_per_character", "perplexity", "accuracy", "top5_accuracy", "shuffle_preference", "context_tokens"),
    ),
    "cloze": Board("Which word fills the blank?", "perplexity", False, ("perplexity", "accuracy", "top5_accuracy")),
    "classification": Board("What is this text about, or who wrote it?", "accuracy", True, ("accuracy", "macro_f1")),
    "video": Board("Which digit moves where?", "accuracy", True, ("accuracy", "macro_f1")),
    "captioning": Board(
        "Which digits does this image show, in words?", "exact_match", True, ("exact_match", "character_error_rate")
    ),
    "forecasting": Board(
        "What is the next value?", "rmse", False, ("rmse", "mae", "skill", "rmse_free_running", "accuracy")
    ),
    "translation": Board("How is this said in another language?", "bleu", True, ("bleu", "chrf", "perplexity")),
    "memory": Board(
        "How long does the state remember?",
        "memory_span",
        True,
        (
            "memory_span",
            "memory_span_copy",
            "memory_span_adding",
            "gradient_decay_initial",
            "gradient_decay_trained",
        ),
        registered=False,
    ),
}


class Question(NamedTuple):
    """The identity of a question: two scores are comparable if all four fields are equal.

    Attributes:
        task: a key of `BOARDS`.
        corpus: a key of `corpora`.
        valid, test: digests of the question about each split.
    """

    task: str
    corpus: str
    valid: str
    test: str


def question_of(task: str, corpus: str, metrics: Mapping[str, Any]) -> tuple[Question, str]:
    """The question that an experiment answered, from its metrics, and its description.

    Raises:
        KeyError, TypeError: the metrics state no question.
    """
    stated = metrics["question"]
    return Question(task, corpus, str(stated["valid"]), str(stated["test"])), str(stated["asked"])


def leading(sizes: Mapping[Question, int]) -> dict[tuple[str, str], Question]:
    """The question with the most entrants for each task and corpus; the first of equals.

    Args:
        sizes: number of entrants by question, in the order of params.yaml.
    """
    largest: dict[tuple[str, str], Question] = {}
    for question, size in sizes.items():
        key = (question.task, question.corpus)
        if key not in largest or size > sizes[largest[key]]:
            largest[key] = question
    return largest


def entrants(experiments: Mapping[str, Any]) -> list[list[str]]:
    """Groups of experiments that differ in nothing but `seed`; a group competes by its mean score.

    Args:
        experiments: settings by name.

    Returns:
        Groups of names, in the order of their first members.
    """
    groups: list[tuple[Any, list[str]]] = []
    for name, settings in experiments.items():
        same = next((names for first, names in groups if _differ_in_seed(first, settings)), None)
        # A repeated seed is the same training under another name, not another sample.
        if same is None or settings.seed in (experiments[member].seed for member in same):
            groups.append((settings, [name]))
        else:
            same.append(name)
    return [names for _, names in groups]


def _differ_in_seed(one: Any, other: Any) -> bool:
    """Whether two experiments have equal settings, except perhaps their seeds."""
    if type(one) is not type(other) or not hasattr(one, "seed"):
        return False
    return bool(one == other.model_copy(update={"seed": one.seed}))
