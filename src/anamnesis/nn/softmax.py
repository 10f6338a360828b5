"""The adaptive softmax: its clusters, and mixed precision."""

from typing import Any

import torch
from torch import Tensor, nn

from anamnesis.errors import AnamnesisError


class AdaptiveSoftmax(nn.AdaptiveLogSoftmaxWithLoss):
    """PyTorch's (Grave et al. 2017), always in the precision of its weights.

    It puts its result together from those of its clusters, in place, and autocast would give the pieces another type
    than the whole.
    """

    def forward(self, input_: Tensor, target_: Tensor) -> Any:
        """Log-probabilities `output` (rows,) of targets (rows,) given inputs (rows, features), and `loss`."""
        with torch.autocast(input_.device.type, enabled=False):
            return super().forward(input_.to(self.head.weight.dtype), target_)

    def log_prob(self, input: Tensor) -> Tensor:
        """Natural-log probabilities (rows, classes) given inputs (rows, features)."""
        with torch.autocast(input.device.type, enabled=False):
            return super().log_prob(input.to(self.head.weight.dtype))


def cutoffs(vocabulary: int) -> list[int]:
    """The first ids of the middle and the tail of the adaptive softmax (Grave et al. 2017, section 4.3).

    Raises:
        AnamnesisError: the vocabulary is too small.
    """
    if vocabulary < 20:
        raise AnamnesisError(f"model.softmax: found adaptive for {vocabulary} tokens; allowed: full below 20 tokens")
    return [vocabulary // 10, vocabulary // 3]
