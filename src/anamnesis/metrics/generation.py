"""What the evaluations of networks that generate text share: perplexity, and the tables of both searches."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from anamnesis.errors import AnamnesisError
from anamnesis.metrics.results import round_score
from anamnesis.training.plan import Loss, perplexity


class Generated(Protocol):
    """A generated text with its score; the score is None for a baseline."""

    @property
    def text(self) -> str: ...

    @property
    def score(self) -> float | None: ...


def teacher_forcing_perplexity(network: Any, batches: Iterable[Any], name: str) -> float:
    """exp of the mean loss of a token, given the input and the true tokens before it, to 6 significant digits.

    Args:
        network: in evaluation mode; its method `loss` gives the `Loss` of a batch.
        batches: all examples of a split, each a named tuple, whose tensors are moved to the device of the network.
        name: the model and the split, for errors.

    Raises:
        AnamnesisError: the perplexity is not finite.
    """
    import torch

    device, losses = next(network.parameters()).device, list[Loss]()
    with torch.inference_mode():
        for batch in batches:
            parts = [part.to(device) if isinstance(part, torch.Tensor) else part for part in batch]
            losses.append(network.loss(type(batch)(*parts)))
    mean = math.fsum(float(each.total) for each in losses) / sum(int(each.count) for each in losses)
    if not math.isfinite(mean) or math.isinf(perplexity(mean)):
        raise AnamnesisError(f"{name}: found a mean loss of {mean:.4g} nats a token; allowed: a finite perplexity")
    return round_score(perplexity(mean))


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
