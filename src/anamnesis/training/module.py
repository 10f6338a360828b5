"""What a task's Lightning module offers to the callbacks of training."""

from abc import abstractmethod

from pytorch_lightning import LightningModule
from torch import Tensor, nn


class TaskModule(LightningModule):
    """A Lightning module that counts its losses on the device and tells an epoch in one row.

    Attributes:
        network: the model whose best parameters are kept.
        loss_sum: sum of the training losses of this epoch so far, a scalar.
        valid_sum: sum of the validation losses, a scalar.
    """

    network: nn.Module
    loss_sum: Tensor
    valid_sum: Tensor

    @abstractmethod
    def epoch_row(self) -> dict[str, float]:
        """The epoch's metrics by name, after its validation."""
