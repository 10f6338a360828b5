"""Attention of queries to the steps of a memory."""

from abc import abstractmethod

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Computes for each query the weighted mean of a memory's steps, the context vector.

    The keys of a memory do not depend on the query: `keys` is called once for a memory, `forward` once for each query.
    """

    @abstractmethod
    def keys(self, memory: Tensor) -> Tensor:
        """The keys (batch, source, units) of a memory (batch, source, memory size)."""

    @abstractmethod
    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """The scores (batch, target, source) of queries (batch, target, query size) and keys (batch, source, units)."""

    def forward(self, query: Tensor, memory: Tensor, keys: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """The context vectors and the weights of queries.

        Args:
            query: (batch, target, query size).
            memory: (batch, source, memory size).
            keys: the keys of this memory, (batch, source, units).
            real: False for padding steps of the memory, (batch, source), bool; each row has at least one True.

        Returns:
            The context vectors (batch, target, memory size), and the weights (batch, target, source): each row sums to
            1 and is 0 at padding.
        """
        scores = self.scores(query, keys).masked_fill(~real[:, None], float("-inf"))
        weights = torch.softmax(scores, dim=-1)
        return weights @ memory, weights


class Additive(Attention):
    """score(q, m) = v' tanh(W q + U m) (Bahdanau et al. 2015, appendix A.1.2).

    Args:
        query: size of a query.
        memory: size of a memory vector.
        units: size of the hidden layer.
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
