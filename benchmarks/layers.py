"""Speed of the layers written here: forward and backward over a segment of 50 steps of 64 sequences."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from measure import Result, alternate

if TYPE_CHECKING:
    from torch import Tensor

BATCH, STEPS, ROUNDS = 64, 50, 30
# Hidden and context units: as in fairytales100-scrn, as in the paper's first table, and a larger layer.
SIZES = ((64, 64), (100, 40), (256, 64))


def context() -> list[Result]:
    """The network with context features against a loop over its time steps, and against nn.RNN."""
    import torch

    from anamnesis.nn.cells.rnn import RNN
    from anamnesis.nn.cells.scrn import SCRN
    from anamnesis.training import memory

    torch.set_num_threads(1)
    memory.keep()
    results = []
    for hidden, units in SIZES:
        torch.manual_seed(1)
        layer, plain = SCRN(hidden, hidden, units), RNN(hidden, hidden)
        state = layer.initial_state(BATCH)

        def loop(inputs: "Tensor", layer: SCRN = layer, state: Any = state) -> "Tensor":
            return equations(layer, inputs, *state)

        def careful(inputs: "Tensor", layer: SCRN = layer, state: Any = state) -> "Tensor":
            return _careful_loop(layer, inputs, *state)

        seconds = alternate(
            _pass(layer, lambda inputs, layer=layer, state=state: layer(inputs, state)[0], hidden, layer.outputs),
            _pass(layer, loop, hidden, layer.outputs),
            _pass(layer, careful, hidden, layer.outputs),
            _pass(plain, lambda inputs, plain=plain, state=state: plain(inputs, state[:1])[0], hidden, hidden),
            rounds=ROUNDS,
        )
        speeds = [BATCH * STEPS / each for each in seconds]
        rivals = (
            ("a loop of its equations", speeds[1], 1.5),
            ("a loop after the products with the inputs", speeds[2], 1.5),
            ("nn.RNN", speeds[3], 0.75),
        )
        for name, speed, bound in rivals:
            results.append(
                Result(
                    f"scrn, {hidden} hidden and {units} context units, against {name}",
                    f"{speeds[0]:,.0f} steps/s",
                    f"{speed:,.0f} steps/s",
                    speeds[0] / speed,
                    bound,
                    True,
                )
            )
    return results


def gates() -> list[Result]:
    """The LSTM written from its gates against the fused kernel."""
    import torch

    from anamnesis.nn.cells.lstm import LSTM
    from anamnesis.nn.cells.lstm_gates import GatesLSTM
    from anamnesis.training import memory

    torch.set_num_threads(1)
    memory.keep()
    results = []
    for hidden in (64, 256):
        passes = []
        for layer in (GatesLSTM(hidden, hidden), LSTM(hidden, hidden)):
            state = layer.initial_state(BATCH)
            passes.append(_pass(layer, lambda x, layer=layer, state=state: layer(x, state)[0], hidden, hidden))
        speeds = [BATCH * STEPS / each for each in alternate(*passes, rounds=ROUNDS // 2)]
        results.append(
            Result(
                f"lstm from its gates against the fused one, {hidden} hidden units",
                f"{speeds[0]:,.0f} steps/s",
                f"{speeds[1]:,.0f} steps/s",
                speeds[0] / speeds[1],
                0.3,
                True,
            )
        )
    return results


def _pass(layer: Any, forward: "Callable[[Tensor], Tensor]", inputs: int, outputs: int) -> Callable[[], None]:
    """A training pass: the outputs of a segment, and the gradients of everything from a given one."""
    import torch

    x, gradient = torch.randn(STEPS, BATCH, inputs, requires_grad=True), torch.randn(STEPS, BATCH, outputs)

    def run() -> None:
        layer.zero_grad()
        x.grad = None
        forward(x).backward(gradient)

    return run


def equations(layer: Any, inputs: "Tensor", h: "Tensor", s: "Tensor") -> "Tensor":
    """The equations step by step, as they stand in the paper."""
    import torch

    b, a, p, r = layer.weight_xs.mT, layer.weight_xh.mT, layer.weight_sh.mT, layer.weight_hh.mT
    outputs = []
    for x in inputs.unbind():
        s = torch.add((x @ b) * (1 - layer.alpha), s, alpha=layer.alpha)
        h = torch.sigmoid(s @ p + x @ a + h @ r)
        outputs.append(torch.cat([h, s], dim=1))
    return torch.stack(outputs)


def _careful_loop(layer: Any, inputs: "Tensor", h: "Tensor", s: "Tensor") -> "Tensor":
    """The same with the products with the inputs before the loop, and no sum that a product can take along."""
    import torch

    driven, from_inputs = inputs @ layer.weight_xs.mT * (1 - layer.alpha), inputs @ layer.weight_xh.mT
    p, r = layer.weight_sh.mT, layer.weight_hh.mT
    outputs = []
    for to_context, to_hidden in zip(driven.unbind(), from_inputs.unbind(), strict=True):
        s = torch.add(to_context, s, alpha=layer.alpha)
        h = torch.sigmoid(torch.addmm(torch.addmm(to_hidden, s, p), h, r))
        outputs.append(torch.cat([h, s], dim=1))
    return torch.stack(outputs)
