"""The vanilla recurrent layer with ReLU that starts from the identity."""

import torch
from torch import nn

from anamnesis.nn.cells import rnn_relu


class IRNN(rnn_relu.ReluRNN):
    """Vanilla RNN with ReLU that starts by copying its state (Le, Jaitly and Hinton 2015, section 4).

    W_hh starts as the identity, the biases as 0, and the weights of the input are drawn from N(0, 0.001).
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden)
        with torch.no_grad():
            nn.init.eye_(self.get_parameter("weight_hh_l0"))
            nn.init.normal_(self.get_parameter("weight_ih_l0"), std=0.001)
            nn.init.zeros_(self.get_parameter("bias_ih_l0"))
            nn.init.zeros_(self.get_parameter("bias_hh_l0"))
