"""The recurrent language model: embedding, recurrent stack, softmax (Mikolov et al. 2010; Zaremba et al. 2014)."""

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from torch import Tensor, nn

from anamnesis.errors import AnamnesisError
from anamnesis.nn.softmax import AdaptiveSoftmax
from anamnesis.nn.stack import State, build
from anamnesis.nn.stepping import Read, steps_of
from anamnesis.nn.stepping import State as StepState
from anamnesis.tasks.language.settings import Model, Reader
from anamnesis.tasks.language.streams import IGNORED

NumPyState = list[tuple[NDArray[np.float32], ...]]
"""For each layer the parts of its state, arrays of shape (batch, size)."""


class RecurrentNetwork(nn.Module):
    """Token ids in, for each time step a distribution over the next token out.

    Args:
        settings: the experiment's `model` block.
        vocabulary: number of token ids; for the adaptive softmax they must be in order of falling frequency.
    """

    def __init__(self, settings: Reader, vocabulary: int) -> None:
        super().__init__()
        size = settings.embedding or settings.hidden
        self.embedding = nn.Embedding(vocabulary, size)
        self.dropout = nn.Dropout(settings.dropout)
        self.stack = build(settings, size)
        self.softmax: nn.Linear | nn.AdaptiveLogSoftmaxWithLoss
        if settings.softmax == "adaptive":
            self.softmax = AdaptiveSoftmax(self.stack.outputs, vocabulary, cutoffs(vocabulary))
        else:
            self.softmax = nn.Linear(self.stack.outputs, vocabulary)
            nn.init.zeros_(self.softmax.bias)
            if settings.tied:
                # Vectors of length about 1 make a good start for the input, but far too loud a softmax.
                nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
                self.softmax.weight = self.embedding.weight

    def forward(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """Hidden states (time, batch, outputs) for ids (time, batch), and the state after the last step."""
        outputs, state = self.stack(self.dropout(self.embedding(ids)), state)
        return self.dropout(outputs), state

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Sum of the negative log-likelihoods in nats over all targets that are not `IGNORED`.

        Args:
            outputs: (time, batch, hidden).
            targets: (time, batch), or (1, batch) for the last time step alone.
        """
        flat, wanted = outputs[-targets.shape[0] :].flatten(0, 1), targets.flatten()
        if isinstance(self.softmax, nn.Linear):
            return nn.functional.cross_entropy(self.softmax(flat), wanted, ignore_index=IGNORED, reduction="sum")
        counts = wanted != IGNORED
        return -self.softmax(flat[counts], wanted[counts]).output.sum()

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """Natural-log probabilities (..., vocabulary) of the next token from outputs (..., hidden)."""
        if isinstance(self.softmax, nn.Linear):
            return self.softmax(outputs).log_softmax(-1)
        return self.softmax.log_prob(outputs.flatten(0, -2)).unflatten(0, outputs.shape[:-1])


def cutoffs(vocabulary: int) -> list[int]:
    """Where the adaptive softmax cuts the vocabulary: frequent head, middle, tail (Grave et al. 2017, section 4.3).

    Raises:
        AnamnesisError: the vocabulary is too small to be cut.
    """
    if vocabulary < 20:
        raise AnamnesisError(f"model.softmax: found adaptive for {vocabulary} tokens; allowed: full below 20 tokens")
    return [vocabulary // 10, vocabulary // 3]


class RecurrentPredictor:
    """A trained network behind the interface that generation, scoring and evaluation use.

    The state is a list with, for each layer, the parts of its state, arrays (batch, size).

    Args:
        network: put into evaluation mode by the caller; its weights are read once, here.
        card: the model's card, model.json.
        tokenizer: the tokenizer whose ids the network knows.
    """

    def __init__(self, network: RecurrentNetwork, card: dict[str, Any], tokenizer: Any) -> None:
        self.network, self.card, self.tokenizer = network, card, tokenizer

    def initial_state(self, batch: int = 1) -> NumPyState:
        """The zero state."""
        return _to_numpy(self.network.stack.initial_state(batch))

    def predict(self, ids: NDArray[np.int64], state: NumPyState) -> tuple[NDArray[np.float32], NumPyState]:
        """Natural-log probabilities (batch, time, vocabulary) of what follows each of ids (batch, time), and the state.

        The token that starts a sentence is never predicted: it has probability 0, the others sum to 1.
        """
        with torch.inference_mode():
            outputs, after = self._advance(ids, state)
            log_p = self.network.log_probabilities(outputs.transpose(0, 1))
            if self.tokenizer.start_id is not None:
                log_p[..., self.tokenizer.start_id] = -torch.inf
                log_p -= log_p.logsumexp(-1, keepdim=True)
            return log_p.cpu().numpy(), _to_numpy(after)

    def read(self, ids: NDArray[np.int64], state: NumPyState) -> NumPyState:
        """The state after ids (batch, time); what follows them is not computed."""
        with torch.inference_mode():
            return _to_numpy(self._advance(ids, state)[1])

    def _advance(self, ids: NDArray[np.int64], state: NumPyState) -> tuple[Tensor, State]:
        device = self.network.embedding.weight.device
        before: State = [tuple(torch.from_numpy(part).to(device) for part in layer) for layer in state]
        return self.network(torch.from_numpy(np.ascontiguousarray(ids.T)).to(device), before)

    def stepper(self, state: NumPyState) -> Callable[[int], NDArray[np.float32]]:
        """See `Stepper.stepper`; in NumPy, because a fused kernel's start-up costs ten times the work of one step."""
        (read, advance), softmax = self._steps, self.network.softmax
        layers: list[StepState] = [tuple(part[0] for part in layer) for layer in state]
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
    def _steps(self) -> tuple[Callable[[int], Read], Callable[[Read, list[StepState]], NDArray[np.float32]]]:
        read, advance = steps_of(self.network.stack)
        embedding = self.network.embedding.weight.detach().cpu().numpy()
        # The same tokens come again and again.
        return lru_cache(maxsize=4096)(lambda token: read(embedding[token])), advance


def _to_numpy(state: State) -> NumPyState:
    return [tuple(part.cpu().numpy() for part in layer) for layer in state]


def load_recurrent(card: dict[str, Any], weights: dict[str, NDArray[Any]], tokenizer: Any) -> RecurrentPredictor:
    """The predictor of a stored model.

    Raises:
        AnamnesisError: the weights are not those of the network that the card describes.
    """
    settings = TypeAdapter(Model).validate_python(card["model"])
    assert isinstance(settings, Reader)
    with torch.device("meta"):
        # Shapes without memory: a card that asks for a billion units must not be able to fill it.
        described = dict(RecurrentNetwork(settings, tokenizer.vocabulary_size).named_parameters())
    expected = {name: tuple(value.shape) for name, value in described.items()}
    for name in sorted(expected.keys() | weights.keys()):
        found = tuple(weights[name].shape) if name in weights else None
        if found != expected.get(name):
            raise AnamnesisError(
                f"weights.safetensors: {name} has shape {found}, but model.json describes {expected.get(name)}"
            )
    network = RecurrentNetwork(settings, tokenizer.vocabulary_size)
    with torch.no_grad():
        for name, value in network.named_parameters():
            value.copy_(torch.from_numpy(weights[name]))
    return RecurrentPredictor(network.eval(), card, tokenizer)
