"""What an experiment of a translation may say."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from anamnesis.tasks.translation.settings import Experiment

FAULTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "a network without training": ("seq2seq", {"training": None}, "architecture seq2seq needs a `training` block"),
    "a floor with training": (
        "copy", {"training": {"epochs": 1, "learning_rate": 0.1}}, "copy is not trained by gradients: remove `training`"
    ),
    "attention without attention": ("seq2seq", {"model": {"attention": "additive"}}, "Extra inputs"),
    "feeding without attention": ("seq2seq", {"model": {"input_feeding": True}}, "Extra inputs"),
    "attention backwards": ("attention", {"model": {"reverse": True}}, "Extra inputs"),
    "a floor with a size": ("nearest", {"model": {"hidden": 3}}, "Extra inputs"),
    "another attention": ("attention", {"model": {"attention": "dot"}}, "'additive' or 'multiplicative'"),
    "another cell": ("seq2seq", {"model": {"cell": "scrn"}}, "'rnn', 'gru' or 'lstm'"),
    "all smoothed away": ("seq2seq", {"model": {"label_smoothing": 1.0}}, "less than 1"),
    "no beam": ("seq2seq", {"search": {"beam": 0}}, "greater than or equal to 1"),
    "a beam without end": ("seq2seq", {"search": {"beam": 101}}, "less than or equal to 100"),
    "no room": ("seq2seq", {"search": {"extra": 0}}, "greater than or equal to 1"),
}  # fmt: skip


@pytest.mark.parametrize(("architecture", "changes", "said"), FAULTS.values(), ids=FAULTS)
def test_what_does_not_go_together_is_refused(
    experiment: Callable[..., Experiment], architecture: str, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        experiment(architecture, **changes)


@pytest.mark.parametrize("architecture", ["copy", "nearest", "seq2seq", "attention"])
def test_every_architecture_is_on_the_same_board(experiment: Callable[..., Experiment], architecture: str) -> None:
    made = experiment(architecture)
    assert (made.task, made.model.architecture) == ("translation", architecture)
    assert (made.training is None) == (architecture in ("copy", "nearest"))
