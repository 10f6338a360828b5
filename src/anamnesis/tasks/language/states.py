"""What a frozen language model makes of texts: its hidden states, as features for another network."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from anamnesis import deadline
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language.network import RecurrentNetwork, RecurrentPredictor
from anamnesis.tasks.language.protocol import NextTokenModel

# Time steps that are read at once, so that memory does not grow with the length of a text.
STEPS = 256


def states(
    model: NextTokenModel,
    texts: Sequence[str],
    batch: int = 64,
    progress: Callable[[int], object] = lambda texts: None,
) -> NDArray[np.float32]:
    """The top layer's hidden states over each text: their mean, and beside it the last one.

    Every text is read by itself from the zero state, in the model's own tokens. Texts of about the same length share a
    batch; what pads the shorter ones comes after their last token and enters neither mean nor last state.

    Args:
        model: a recurrent language model, as `saved.load` gives it; its weights are only read.
        texts: each of at least one token.
        batch: texts that are read side by side, which changes nothing but time, memory and the last bits.
        progress: called with the number of texts read since the last call.

    Returns:
        Features (texts, 2 * outputs): the mean first, then the last state; `outputs` as of `nn.stack.RecurrentStack`.

    Raises:
        AnamnesisError: the model is not recurrent, or a text has no token.
    """
    if not isinstance(model, RecurrentPredictor):
        raise AnamnesisError(f"found architecture {model.card['architecture']}, which has no hidden states")
    encoded = [model.tokenizer.encode(text) for text in texts]
    for number, ids in enumerate(encoded, start=1):
        if not len(ids):
            raise AnamnesisError(f"text {number} of {len(texts)} has nothing in it to read")
    result = np.empty((len(texts), 2 * model.network.stack.outputs), np.float32)
    order = sorted(range(len(texts)), key=lambda index: len(encoded[index]))
    for first in range(0, len(order), batch):
        rows = order[first : first + batch]
        result[rows] = _states(model.network, [encoded[index] for index in rows]).cpu().numpy()
        progress(len(rows))
    return result


@torch.inference_mode()
def _states(network: RecurrentNetwork, texts: list[NDArray[np.int64]]) -> torch.Tensor:
    device = network.embedding.weight.device
    lengths = torch.tensor([len(ids) for ids in texts], device=device)
    longest, columns = int(lengths.max()), torch.arange(len(texts), device=device)
    ids = np.zeros((longest, len(texts)), np.int64)
    for column, each in enumerate(texts):
        ids[: len(each), column] = each
    padded = torch.from_numpy(ids).to(device)
    state = network.stack.initial_state(len(texts))
    total = torch.zeros(len(texts), network.stack.outputs, device=device)
    last = torch.zeros_like(total)
    for first in range(0, longest, STEPS):
        deadline.check()
        outputs, state = network(padded[first : first + STEPS], state)
        steps = torch.arange(first, first + len(outputs), device=device)
        total += (outputs * (steps[:, None] < lengths)[..., None]).sum(0)
        ends = lengths - 1 - first
        here = (ends >= 0) & (ends < len(outputs))
        last[here] = outputs[ends[here], columns[here]]
    return torch.cat([total / lengths[:, None], last], dim=1)
