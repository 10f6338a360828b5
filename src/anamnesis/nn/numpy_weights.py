"""Parameters of PyTorch layers as NumPy arrays, for single time steps."""

from collections.abc import Callable

from torch import nn

from anamnesis.nn.layer import Array


def weights_of(layer: nn.Module, *names: str) -> list[Array]:
    """The named parameters of a layer, on the CPU."""
    return [layer.get_parameter(name).detach().cpu().numpy() for name in names]


def torch_weights(layer: nn.Module) -> list[Array]:
    """W_ih (gates * hidden, inputs), W_hh (gates * hidden, hidden) and two biases of a layer of `torch.nn`."""
    return weights_of(layer, "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def project_with(w_x: Array, bias: Array) -> Callable[[Array], Array]:
    """The function x (inputs,) -> w_x x + bias."""

    def project(x: Array) -> Array:
        projected = w_x.dot(x)
        projected += bias
        return projected

    return project
