"""The leaderboards: which experiments compete, and which of their scores decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Board:
    """Experiments of one task; those that are asked the same question of one corpus rank against each other.

    What a question is, the evaluation of each task states in metrics/E.json: see `training.results.question`.

    Attributes:
        title: what is asked.
        metric: the score that decides, by its name in metrics/E.json; models are chosen by that of the validation.
        higher: whether more of it is better.
        metrics: all scores that are shown, the deciding one first.
        registered: whether the best model of each corpus is registered: a probe answers nobody's texts.
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
        "How is this image read in words?", "exact_match", True, ("exact_match", "character_error_rate")
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
    """What decides whether two scores compare: they do where all of it is the same.

    Attributes:
        task: a key of `BOARDS`.
        corpus: a key of `corpora`.
        valid, test: digests of what is asked of each split.
    """

    task: str
    corpus: str
    valid: str
    test: str


def question_of(task: str, corpus: str, metrics: Mapping[str, Any]) -> tuple[Question, str]:
    """The question that metrics/E.json says was asked, and the same in words.

    Raises:
        KeyError, TypeError: the metrics state no question.
    """
    stated = metrics["question"]
    return Question(task, corpus, str(stated["valid"]), str(stated["test"])), str(stated["asked"])


def leading(sizes: Mapping[Question, int]) -> dict[tuple[str, str], Question]:
    """Of each board and corpus the question with the most entrants; of equally many, the first.

    Args:
        sizes: entrants by question, in the order of params.yaml.
    """
    found: dict[tuple[str, str], Question] = {}
    for question, size in sizes.items():
        key = (question.task, question.corpus)
        if key not in found or size > sizes[found[key]]:
            found[key] = question
    return found


def entrants(experiments: Mapping[str, Any]) -> list[list[str]]:
    """Who competes: the names of experiments, those together whose settings differ in nothing but `seed`.

    Such a group competes as one, by the mean of its scores, so that nobody wins by a lucky seed.

    Args:
        experiments: settings by name; names say nothing of who belongs together.

    Returns:
        Groups in the order of their first members, members in their order.
    """
    groups: list[tuple[Any, list[str]]] = []
    for name, settings in experiments.items():
        alike = next((group for key, group in groups if _differ_in_seed(key, settings)), None)
        # A seed that a group has already is the same training under another name, and no further draw.
        if alike is None or settings.seed in (experiments[member].seed for member in alike):
            groups.append((settings, [name]))
        else:
            alike.append(name)
    return [names for _, names in groups]


def _differ_in_seed(one: Any, other: Any) -> bool:
    """Whether two experiments are of one kind, and equal but for their seeds."""
    if type(one) is not type(other) or not hasattr(one, "seed"):
        return False
    return bool(one == other.model_copy(update={"seed": one.seed}))
