"""The vanilla recurrent layer with ReLU."""

from anamnesis.nn.cells import rnn


class ReluRNN(rnn.RNN):
    """Vanilla RNN with ReLU instead of tanh."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super(rnn.RNN, self).__init__(inputs, hidden, nonlinearity="relu")
        self.outputs, self.state_sizes = hidden, (hidden,)
