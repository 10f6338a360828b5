"""What the evaluations of networks that generate text share: perplexity, and the tables of both searches."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from anamnesis.errors import AnamnesisError
from anamnesis.metrics.results import rounded
from anamnesis.training.plan import Loss, perplexity


class Generated(Protocol):
    """A generated text with its score; the score is None for a baseline."""

    @property
    def text(self) -> str: ...

    @property
    def score(self) -> float | None: ...


def teacher_forcing_perplexity(loss: Callable[[Any], Loss], batches: Iterable[Any], name: str) -> float:
    """exp of the mean loss of a token, given the input and the true tokens before it, to 6 significant digits.

    Args:
        loss: the loss of a batch; the network is in evaluation mode.
        batches: all examples of a split.
        name: the model and the split, for errors.

    Raises:
        AnamnesisError: the perplexity is not finite.
    """
    import torch

    with torch.inference_mode():
        losses = [loss(batch) for batch in batches]
    mean = math.fsum(float(each.total) for each in losses) / sum(int(each.count) for each in losses)
    if not math.isfinite(mean) or math.isinf(perplexity(mean)):
        raise AnamnesisError(f"{name}: found a mean loss of {mean:.4g} nats a token; allowed: a finite perplexity")
    return rounded(perplexity(mean))


def search_columns(best: Sequence[Generated], greedy: Sequence[Generated] | None) -> list[tuple[str, str, str, str]]:
    """The columns of a table of generated texts: by beam search, by greedy search, and the scores of both.

    Args:
        best: the text for each input, by beam search or by a baseline.
        greedy: the text for each input by greedy search; None for a baseline, whose other columns are empty.
    """
    if greedy is None:
        return [(each.text, "", number(each.score), "") for each in best]
    return [
        (one.text, other.text, number(one.score), number(other.score)) for one, other in zip(best, greedy, strict=True)
    ]


def number(value: float | None) -> str:
    """A number to 6 significant digits, as tables have it; an empty text for None."""
    return "" if value is None else f"{value:.6g}"
