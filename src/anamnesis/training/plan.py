"""What a task gives to the train stage: a network with its data and loss, or a model that needs no gradients."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    # A baseline is planned without PyTorch, whose import takes longer than counting.
    from torch import Tensor, nn

    from anamnesis.training.watch import Watch


@dataclass(frozen=True)
class Job:
    """One experiment to train.

    Attributes:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.
        inputs: digest of everything that decides the result of the training, except code.
        checkpoint: the file that holds the unfinished training; a task that trains by a loop of its own may use
            the folder of this name without its suffix.
        watch: the listener to this run.
    """

    name: str
    experiment: Any
    root: Path
    inputs: str
    checkpoint: Path
    watch: "Watch"

    @property
    def store(self) -> Path:
        """The folder of the token store."""
        return self.root / "data" / "tokens" / str(self.experiment.tokens)


@dataclass(frozen=True)
class Loss:
    """The loss of one batch.

    Attributes:
        total: the sum over targets, a scalar.
        count: the number of targets, a scalar or an int.
        mean: the mean over targets, which training minimises; None: `total / count`.
        state: the detached state that the next batch continues from, a tree of lists, tuples and tensors; None:
            batches are independent.
        sums: further sums of a validation batch, by name; each has the shape that `NetworkPlan.sums` states.
    """

    total: "Tensor"
    count: "Tensor | int"
    mean: "Tensor | None" = None
    state: Any = None
    sums: "Mapping[str, Tensor]" = field(default_factory=dict)


@dataclass(frozen=True)
class Sums:
    """The losses of an epoch: their sum over all targets, the number of targets, and the further sums by name."""

    total: float
    count: float
    more: "Mapping[str, Tensor]" = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """The mean loss of a target; 0 without targets."""
        return self.total / max(self.count, 1.0)


@dataclass(frozen=True)
class NetworkPlan:
    """A network to train with gradients.

    Attributes:
        network: its best parameters become the model's weights.
        loss: the loss of a batch, given the state that the batch before it returned; `network.training` tells
            training from validation.
        train: batches of the training split: sized, iterable, with `state_dict`, `load_state_dict` and `shard`.
        valid: batches of the validation split.
        metrics: the columns of an epoch in history.csv, from the sums of its training and validation losses.
        headline: the column that the summary states.
        unit: what `units` counts, in the plural, such as "tokens".
        units: how many of them one epoch reads.
        sums: shapes and types of `Loss.sums`, as zero tensors by name.
        files: contents of the further files of the model, by name.
        card: further entries of the model's card.
        arrays: further arrays that are stored beside the parameters.
        prefix: precedes the names of the network's parameters in the weights file.
        sample: writes a sample of the network's work after an epoch, in evaluation mode; the argument counts epochs
            from 1.
        pad_to_fixed_shape: returns a training batch of one of few shapes with the same loss, for CUDA graphs; None: the
            batches have few shapes as they are.
    """

    network: "nn.Module"
    loss: Callable[[Any, Any], Loss]
    train: Any
    valid: Any
    metrics: Callable[[Sums, Sums], dict[str, float]]
    headline: str
    unit: str
    units: int
    sums: "Mapping[str, Tensor]" = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    prefix: str = ""
    sample: Callable[[int], str] | None = None
    pad_to_fixed_shape: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class FittedModel:
    """A model that its task has fitted without the common training loop, such as a baseline.

    Attributes:
        weights: named arrays of any shape; may be empty.
        parameters: how many numbers were fitted.
        summary: what the stage's last line says.
        files, card: as for `NetworkPlan`.
        history: rows of history.csv, all with the same keys, `epoch` first; or the content of the file.
        samples: texts for samples.txt, each with a heading.
    """

    weights: Mapping[str, NDArray[Any]]
    parameters: int
    summary: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] | str = ()
    samples: Sequence[tuple[str, str]] = ()


Plan = NetworkPlan | FittedModel


def perplexity(nats: float) -> float:
    """exp of a mean negative log-likelihood; infinite where that overflows."""
    return math.exp(nats) if nats < 700 else math.inf


def perplexities(train: Sums, valid: Sums) -> dict[str, float]:
    """The metrics of an epoch of a network that predicts tokens: the perplexities of both splits."""
    return {"train_perplexity": perplexity(train.mean), "valid_perplexity": perplexity(valid.mean)}
