"""The keys of an experiment's `training` block: optimiser, learning-rate schedule, budget, early stopping."""

from typing import Annotated, Literal

from pydantic import Field

from anamnesis.schema import Settings


class Constant(Settings):
    """The learning rate stays as it is."""

    kind: Literal["constant"] = "constant"


class Plateau(Settings):
    """Divide the learning rate each time the validation loss has not improved for `patience` epochs."""

    kind: Literal["plateau"]
    divide_by: float = Field(2.0, gt=1, description="the learning rate is divided by this when validation stalls")
    patience: int = Field(1, ge=1, description="epochs without improvement that are waited for")


class Decay(Settings):
    """Multiply the learning rate by `factor` after each epoch beyond `after` (Zaremba et al. 2014, section 4.1)."""

    kind: Literal["decay"]
    factor: float = Field(gt=0, lt=1, description="multiplies the learning rate once an epoch")
    after: int = Field(ge=0, description="epochs at the full learning rate")


class Cosine(Settings):
    """Half a cosine from the full learning rate to `final` of it, step by step (Loshchilov and Hutter 2017)."""

    kind: Literal["cosine"]
    final: float = Field(0.0, ge=0, lt=1, description="share of the learning rate that is left at the end")


Schedule = Annotated[Constant | Plateau | Decay | Cosine, Field(discriminator="kind")]


class Training(Settings):
    """How one experiment is trained."""

    epochs: int = Field(ge=1, description="passes over the training split, at most")
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = Field(gt=0, description="step size of the optimiser")
    momentum: float = Field(0.0, ge=0, lt=1, description="of SGD")
    weight_decay: float = Field(0.0, ge=0, description="L2 penalty's factor")
    clip_norm: float | None = Field(5.0, gt=0, description="largest global norm of the gradient; null: no clipping")
    schedule: Schedule = Constant()
    patience: int | None = Field(
        None, ge=1, description="stop after this many epochs without a better validation loss; null: never"
    )
    checkpoint_steps: int = Field(100, ge=1, description="optimiser steps between two checkpoints to resume from")


class Trainer(Settings):
    """On what machine one experiment is trained: Lightning's `Trainer` takes these under the same names."""

    accelerator: Literal["cpu", "gpu", "auto"] = Field("cpu", description="auto: a GPU where there is one")
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = Field(
        "32-true", description="auto: bf16-mixed on a GPU that has it, 16-mixed on another GPU, 32-true on a CPU"
    )
    devices: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        1, description="GPUs, or processes on the CPU, of each node; batches are shared out among them; auto: all GPUs"
    )
    num_nodes: int = Field(1, ge=1, description="machines that train together")
    strategy: Literal["auto", "ddp", "ddp_find_unused_parameters_true"] = Field(
        "auto",
        description="how several devices work together: distributed data parallel, which by itself asks that every "
        "weight has a part in every loss; auto: what the network needs",
    )
