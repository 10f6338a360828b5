"""The keys that experiments of all tasks share, among them the blocks `training` and `trainer`."""

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from anamnesis.nn.settings import OwnCell
from anamnesis.schema import Settings


class Constant(Settings):
    """The learning rate stays as it is."""

    kind: Literal["constant"] = "constant"


class Plateau(Settings):
    """Divide the learning rate each time the validation loss has not improved for `patience` epochs."""

    kind: Literal["plateau"]
    divide_by: float = Field(2.0, gt=1, description="divisor of the learning rate")
    patience: int = Field(1, ge=1, description="epochs without improvement before the learning rate is divided")


class Decay(Settings):
    """Multiply the learning rate by `factor` after each epoch beyond `after` (Zaremba et al. 2014, section 4.1)."""

    kind: Literal["decay"]
    factor: float = Field(gt=0, lt=1, description="factor by which each epoch multiplies the learning rate")
    after: int = Field(ge=0, description="epochs at the full learning rate")


class Cosine(Settings):
    """Lower the learning rate step by step along half a cosine, to the share `final` (Loshchilov and Hutter 2017)."""

    kind: Literal["cosine"]
    final: float = Field(0.0, ge=0, lt=1, description="share of the learning rate at the end of the training")


Schedule = Annotated[Constant | Plateau | Decay | Cosine, Field(discriminator="kind")]


class Training(Settings):
    """The training of one experiment."""

    epochs: int = Field(ge=1, description="passes over the training split, at most")
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = Field(gt=0, description="step size of the optimiser")
    momentum: float = Field(0.0, ge=0, lt=1, description="momentum of SGD")
    weight_decay: float = Field(0.0, ge=0, description="factor of the L2 penalty")
    clip_norm: float | None = Field(5.0, gt=0, description="largest global norm of the gradient; null: no clipping")
    schedule: Schedule = Constant()
    patience: int | None = Field(
        None, ge=1, description="stop after this many epochs without a better validation loss; null: never"
    )
    checkpoint_steps: int = Field(100, ge=1, description="optimiser steps between two checkpoints to resume from")


class Trainer(Settings):
    """The devices that train and evaluate an experiment; Lightning's `Trainer` has arguments of the same names."""

    accelerator: Literal["cpu", "gpu", "auto"] = Field("cpu", description="auto: a GPU if there is one, else the CPU")
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = Field(
        "32-true",
        description="auto: 16-mixed for a network of at least 4 million parameters on a GPU, otherwise 32-true",
    )
    devices: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        1, description="GPUs of each machine, or processes on the CPU; each gets a part of every batch; auto: all GPUs"
    )
    num_nodes: int = Field(1, ge=1, description="machines that train together")
    strategy: Literal["auto", "ddp", "ddp_find_unused_parameters_true"] = Field(
        "auto",
        description="how several devices work together: ddp, distributed data parallel, requires that every weight "
        "takes part in every loss; auto: the strategy that the network needs",
    )
    graphs: Literal["auto", "never"] = Field(
        "auto",
        description="CUDA graphs, which repeat a whole training step without Python; auto: on one GPU, for batches "
        "whose shapes repeat",
    )


class Baseline(Settings):
    """A model that is fitted without gradients, or not at all."""


NEEDS = r"models/[a-z0-9]+(-[a-z0-9]+)*|cells/[a-z_][a-z0-9_]*\.py"


def _needed_path(path: str) -> str:
    if not re.fullmatch(NEEDS, path):
        raise ValueError("models/EXPERIMENT, or cells/FILE.py")
    return path


class BaseExperiment(Settings):
    """The keys that experiments of all tasks share. A task adds `task`, `model` and keys of its own."""

    tokens: str = Field(description="an entry of `tokens`")
    needs: Annotated[str, AfterValidator(_needed_path)] | None = Field(
        None,
        description="`models/EXPERIMENT`, a model to start from, or `cells/FILE.py`, the file of an own cell; an "
        "experiment with this key belongs under `dependent`",
    )
    seed: int = Field(1, ge=0, le=2**32 - 1, description="seed of all random numbers")
    training: Training | None = Field(None, description="required for a network, refused for a baseline")
    trainer: Trainer = Trainer()

    # Whether the task trains and evaluates on the CPU, whatever `trainer` says.
    cpu_only: ClassVar[bool] = False
    # Whether an experiment of the task may begin with the model of another experiment.
    takes_model: ClassVar[bool] = False
    # Whether a network may go without `training`, because it begins with the weights of another model.
    keeps_weights: ClassVar[bool] = False

    @property
    def needed_model(self) -> str | None:
        """The experiment whose model this one begins with."""
        return self.needs.removeprefix("models/") if self.needs and self.needs.startswith("models/") else None

    @property
    def reads(self) -> tuple[str, ...]:
        """What the corpus of the token store may hold, in the words of `makes` of a corpus."""
        return ("running text",)

    @property
    def token_kinds(self) -> tuple[str, ...]:
        """The kinds of tokens that the token store may hold; empty: any."""
        return ()

    @property
    def reusable(self) -> bool:
        """Whether another experiment may begin with this one's model."""
        return False

    def check_inputs(self, tokens: Any, needed: Any, needed_tokens: Any) -> None:
        """Check what only the task knows of the entries that the experiment refers to.

        Args:
            tokens: the settings of its token store.
            needed: the experiment whose model it begins with, or None.
            needed_tokens: the settings of that experiment's token store, or None.

        Raises:
            ValueError: they do not fit the experiment; the message has the form `key: found X; allowed: Y`.
        """

    @model_validator(mode="after")
    def _needs_fits_cell(self) -> Self:
        model = getattr(self, "model", None)
        file = f"cells/{model.cell.partition(':')[0]}.py" if isinstance(model, OwnCell) else None
        if file is None and self.needs and not self.needed_model:
            raise ValueError(f"needs: found {self.needs!r}; allowed: models/EXPERIMENT, as the model is no own cell")
        if file and self.needs != file:
            found = "null" if self.needs is None else repr(self.needs)
            raise ValueError(f"needs: found {found}; allowed: {file}, the file of model.cell")
        return self

    @model_validator(mode="after")
    def _training_fits_model(self) -> Self:
        model: Any = getattr(self, "model", None)
        if isinstance(model, Baseline):
            if self.training is not None:
                raise ValueError(f"architecture {model.architecture} is not trained by gradients: remove `training`")  # type: ignore[attr-defined]
        elif self.training is None and not (self.keeps_weights and self.needed_model):
            raise ValueError(f"a model with architecture {model.architecture} needs a `training` block")
        return self
