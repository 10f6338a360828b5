"""A trained recurrent network as a language model."""

from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anamnesis import models
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.metrics.targets import TargetScores, from_distributions, from_tensors
from anamnesis.nn.layer import ArrayState
from anamnesis.nn.stack import State
from anamnesis.nn.stepping import Read, steps_of
from anamnesis.tasks.language.model.language_model import LanguageModel
from anamnesis.tasks.language.model.network import RecurrentNetwork
from anamnesis.tasks.language.settings import Reader

# Log-probabilities in the memory of a GPU at once.
GPU_ROOM = 2**26

NumPyState = list[tuple[NDArray[np.float32], ...]]
"""For each layer the parts of its state, arrays of shape (batch, size)."""


class RecurrentPredictor(LanguageModel):
    """A language model that is a recurrent network.

    Args:
        network: in evaluation mode; `stepper` reads its weights once.
        card: the model's card.
        tokenizer: the tokenizer of the training text.
    """

    recurrent: ClassVar[bool] = True

    def __init__(self, network: RecurrentNetwork, card: dict[str, Any], tokenizer: Tokenizer) -> None:
        self.network, self.card, self.tokenizer = network, card, tokenizer

    @property
    def room(self) -> int:  # type: ignore[override]
        """See `LanguageModel`."""
        return super().room if self.network.embedding.weight.device.type == "cpu" else GPU_ROOM

    def initial_state(self, batch: int = 1) -> NumPyState:
        """The zero state."""
        return _to_numpy(self.network.stack.initial_state(batch))

    def predict(self, ids: NDArray[np.int64], state: NumPyState) -> tuple[NDArray[np.float32], NumPyState]:
        """See `LanguageModel.predict`; `<s>` has probability 0, and the other tokens' probabilities sum to 1."""
        log_p, after = self._predict(ids, state)
        return log_p.cpu().numpy(), after

    def score_targets(
        self, ids: NDArray[np.int64], targets: NDArray[np.int64], state: NumPyState
    ) -> tuple[TargetScores, NumPyState]:
        """See `LanguageModel.score_targets`; distributions stay on a GPU. On a CPU, NumPy counts faster."""
        log_p, after = self._predict(ids, state)
        if log_p.device.type == "cpu":
            return from_distributions(log_p.numpy(), targets), after
        return from_tensors(log_p, torch.from_numpy(targets).to(log_p.device)), after

    def read(self, ids: NDArray[np.int64], state: NumPyState) -> NumPyState:
        """See `LanguageModel.read`; skips the softmax."""
        with torch.inference_mode():
            return _to_numpy(self._advance(ids, state)[1])

    @torch.inference_mode()
    def _predict(self, ids: NDArray[np.int64], state: NumPyState) -> tuple[Tensor, NumPyState]:
        """As `predict`, with the log-probabilities on the device of the network."""
        outputs, after = self._advance(ids, state)
        log_p = self.network.log_probabilities(outputs.transpose(0, 1))
        if self.tokenizer.start_id is not None:
            log_p[..., self.tokenizer.start_id].fill_(-torch.inf)
            log_p -= log_p.logsumexp(-1, keepdim=True)
        return log_p, _to_numpy(after)

    def _advance(self, ids: NDArray[np.int64], state: NumPyState) -> tuple[Tensor, State]:
        device = self.network.embedding.weight.device
        before: State = [tuple(torch.from_numpy(part).to(device) for part in layer) for layer in state]
        return self.network(torch.from_numpy(np.ascontiguousarray(ids.T)).to(device), before)

    def stepper(self, state: NumPyState) -> Callable[[int], NDArray[np.float32]]:
        """See `LanguageModel.stepper`; in NumPy, because calling a fused kernel costs ten times one step's work."""
        (read, advance), softmax = self._steps, self.network.softmax
        layers: list[ArrayState] = [tuple(part[0] for part in layer) for layer in state]
        if isinstance(softmax, nn.Linear):
            matrix, bias = softmax.weight.detach().cpu().numpy(), softmax.bias.detach().cpu().numpy()

        def step(token: int) -> NDArray[np.float32]:
            outputs = advance(read(token), layers)
            if not isinstance(softmax, nn.Linear):
                with torch.inference_mode():
                    batch = torch.from_numpy(outputs)[None].to(self.network.embedding.weight.device)
                    return self.network.log_probabilities(batch)[0].cpu().numpy()
            scores: NDArray[np.float32] = matrix.dot(outputs)
            scores += bias
            return scores

        return step

    @cached_property
    def _steps(self) -> tuple[Callable[[int], Read], Callable[[Read, list[ArrayState]], NDArray[np.float32]]]:
        read, advance = steps_of(self.network.stack)
        embedding = self.network.embedding.weight.detach().cpu().numpy()
        # Tokens recur.
        return lru_cache(maxsize=4096)(lambda token: read(embedding[token])), advance


def _to_numpy(state: State) -> NumPyState:
    return [tuple(part.cpu().numpy() for part in layer) for layer in state]


def load_recurrent(
    folder: Path,
    settings: Reader,
    weights: dict[str, NDArray[Any]],
    card: dict[str, Any],
    tokenizer: Tokenizer,
    device: str = "cpu",
) -> RecurrentPredictor:
    """The recurrent language model with stored weights.

    Args:
        folder: the model's folder, for error messages.
        settings: the `model` block that it was trained with.
        weights: the network's parameters by name.
        device: where the network computes.

    Raises:
        AnamnesisError: the weights are not those of such a network.
    """
    network = models.load_network(
        folder, lambda: RecurrentNetwork(settings, tokenizer.vocabulary_size), weights, device
    )
    return RecurrentPredictor(network, card, tokenizer)
