"""Attention: where in a memory of vectors a query finds what it needs."""

from abc import abstractmethod

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Weighs the steps of a memory by how well they answer a query, and gives their weighted mean, the context vector.

    What the memory contributes to the scores, its keys, does not depend on the query: `keys` is called once for a
    memory, `forward` as often as there are queries.
    """

    @abstractmethod
    def keys(self, memory: Tensor) -> Tensor:
        """The memory (batch, source, memory size) as it enters the scores, (batch, source, units)."""

    @abstractmethod
    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """How well each step answers: (batch, target, query size) and (batch, source, units) give
        (batch, target, source)."""

    def forward(self, query: Tensor, memory: Tensor, keys: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            query: (batch, target, query size).
            memory: (batch, source, memory size).
            keys: of this memory, (batch, source, units).
            real: which steps of the memory are no padding, (batch, source), bool; at least one of each row.

        Returns:
            The context vectors (batch, target, memory size), and the weights (batch, target, source): each row of
            them sums to 1 and is 0 at padding.
        """
        scores = self.scores(query, keys).masked_fill(~real[:, None], float("-inf"))
        weights = torch.softmax(scores, dim=-1)
        return weights @ memory, weights


class Additive(Attention):
    """score(q, m) = v' tanh(W q + U m) (Bahdanau et al. 2015, appendix A.1.2).

    Args:
        query: size of a query.
        memory: size of a memory vector.
        units: size of the layer between.
    """

    def __init__(self, query: int, memory: int, units: int) -> None:
        super().__init__()
        self.query = nn.Linear(query, units)
        self.memory = nn.Linear(memory, units, bias=False)
        self.score = nn.Linear(units, 1, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        projected: Tensor = self.memory(memory)
        return projected

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        together = torch.tanh(self.query(query)[:, :, None] + keys[:, None])
        scores: Tensor = self.score(together).squeeze(-1)
        return scores


class Multiplicative(Attention):
    """score(q, m) = q' W m, the form "general" (Luong et al. 2015, equation 8).

    Args:
        query: size of a query.
        memory: size of a memory vector.
    """

    def __init__(self, query: int, memory: int) -> None:
        super().__init__()
        self.memory = nn.Linear(memory, query, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        projected: Tensor = self.memory(memory)
        return projected

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        return query @ keys.transpose(1, 2)
