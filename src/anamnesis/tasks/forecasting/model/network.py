"""The networks that forecast a series: one reads the window at once, the others value by value."""

from torch import Tensor, nn

from anamnesis.nn.stack import RecurrentStack
from anamnesis.tasks.forecasting.settings import Connected, Network, Recurrent
from anamnesis.training.plan import Loss

SLOPE = 0.1

Batch = tuple[Tensor, Tensor]
"""Windows (batch, window) and the values that follow them (batch,), standardised."""


class ConnectedForecaster(nn.Module):
    """next value = w . f(W window + b) + c, where f is tanh or the leaky ReLU."""

    def __init__(self, settings: Connected) -> None:
        super().__init__()
        self.hidden = nn.Linear(settings.window, settings.hidden)
        self.activation = nn.Tanh() if settings.activation == "tanh" else nn.LeakyReLU(SLOPE)
        self.output = nn.Linear(settings.hidden, 1)

    def forward(self, windows: Tensor) -> Tensor:
        """Standardised windows (batch, window) -> standardised next values (batch,)."""
        outputs: Tensor = self.output(self.activation(self.hidden(windows)))
        return outputs.squeeze(1)


class RecurrentForecaster(nn.Module):
    """Recurrent layers read the window value by value from a zero state; the last output gives the next value."""

    def __init__(self, settings: Recurrent) -> None:
        super().__init__()
        self.stack = RecurrentStack(settings.architecture, 1, settings.hidden, settings.layers)
        self.output = nn.Linear(self.stack.outputs, 1)

    def forward(self, windows: Tensor) -> Tensor:
        """Standardised windows (batch, window) -> standardised next values (batch,)."""
        states, _ = self.stack(windows.T[:, :, None], self.stack.initial_state(len(windows)))
        outputs: Tensor = self.output(states[-1])
        return outputs.squeeze(1)


def new_network(settings: Network) -> nn.Module:
    """The network that settings describe: (batch, window) -> (batch,)."""
    return ConnectedForecaster(settings) if isinstance(settings, Connected) else RecurrentForecaster(settings)


def forecast_loss(network: nn.Module, batch: Batch) -> Loss:
    """The squared errors of the forecasts."""
    windows, targets = batch
    squares = (network(windows) - targets).square()
    return Loss(squares.sum(), len(squares), squares.mean())
