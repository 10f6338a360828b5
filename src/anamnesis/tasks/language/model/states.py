"""The hidden states of a frozen language model over texts, as features for another network."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anamnesis import deadline
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language.model.network import RecurrentNetwork
from anamnesis.tasks.language.model.predictor import RecurrentPredictor

# Time steps of a segment, so that memory does not grow with the length of a text.
STEPS = 256


def states(
    model: RecurrentPredictor,
    texts: Sequence[str],
    batch: int = 64,
    progress: Callable[[int], object] = lambda texts: None,
) -> NDArray[np.float32]:
    """The mean and the last of the top layer's hidden states over each text: (texts, 2 * outputs).

    Each text is read from the zero state, in the model's tokens. Texts of similar length share a batch; the padding of
    the shorter ones enters neither mean nor last state.

    Args:
        model: its weights are only read.
        texts: each of at least one token.
        batch: texts in a batch, which changes only time, memory and the last bits.
        progress: called with the number of texts read since the last call.

    Raises:
        AnamnesisError: a text has no token.
    """
    return encoded_states(model.network, [model.tokenizer.encode(text) for text in texts], batch, progress)


def encoded_states(
    network: RecurrentNetwork,
    texts: Sequence[NDArray[Any]],
    batch: int = 64,
    progress: Callable[[int], object] = lambda texts: None,
) -> NDArray[np.float32]:
    """Like `states`, for texts that are given as token ids (tokens,).

    Args:
        network: in evaluation mode.
    """
    for number, ids in enumerate(texts, start=1):
        if not len(ids):
            raise AnamnesisError(f"text {number} of {len(texts)} has no token")
    result = np.empty((len(texts), 2 * network.stack.outputs), np.float32)
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    for first in range(0, len(order), batch):
        rows = order[first : first + batch]
        result[rows] = _states(network, [texts[index].astype(np.int64) for index in rows]).cpu().numpy()
        progress(len(rows))
    return result


@torch.inference_mode()
def _states(network: RecurrentNetwork, texts: list[NDArray[np.int64]]) -> torch.Tensor:
    device = network.embedding.weight.device
    lengths = torch.tensor([len(ids) for ids in texts], device=device)
    columns = torch.arange(len(texts), device=device)
    padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(ids) for ids in texts]).to(device)
    state = network.stack.initial_state(len(texts))
    total = torch.zeros(len(texts), network.stack.outputs, device=device)
    last = torch.zeros_like(total)
    for first in range(0, len(padded), STEPS):
        deadline.check()
        outputs, state = network(padded[first : first + STEPS], state)
        steps = torch.arange(first, first + len(outputs), device=device)
        total += (outputs * (steps[:, None] < lengths)[..., None]).sum(0)
        ends = lengths - 1 - first
        here = (ends >= 0) & (ends < len(outputs))
        last = outputs[ends.clamp(0, len(outputs) - 1), columns].where(here[:, None], last)
    return torch.cat([total / lengths[:, None], last], dim=1)
