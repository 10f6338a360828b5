"""The network with context features as a plain loop of its equations, differentiated by PyTorch."""

from typing import Any

import torch
from torch import Tensor

from anamnesis.nn.cells.scrn import SCRN


def torch_loop(layer: SCRN, inputs: Tensor, h: Tensor, s: Tensor) -> Tensor:
    """[h_t, s_t] (time, batch, hidden + context) by equations 3 to 5 of Mikolov et al. 2015."""
    alpha: Any = layer.alpha if layer.alpha_logit is None else layer.alpha_logit.sigmoid()
    sigma = torch.sigmoid if layer.activation == "sigmoid" else torch.tanh
    outputs = []
    for x in inputs:
        before, s = s, (1 - alpha) * (x @ layer.weight_xs.mT) + alpha * s
        fed = s if layer.feed == "current" else before
        h = sigma(fed @ layer.weight_sh.mT + x @ layer.weight_xh.mT + h @ layer.weight_hh.mT)
        outputs.append(torch.cat([h, s], dim=1))
    return torch.stack(outputs)
