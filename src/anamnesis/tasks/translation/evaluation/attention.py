"""The attention of a network while it writes a translation."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation.model.batches import collate
from anamnesis.tasks.translation.model.translations import Translation
from anamnesis.tasks.translation.model.translator import NetworkTranslator


class AttentionMap(NamedTuple):
    """The attention weights of one translation.

    Attributes:
        source: the source's tokens as text to display, the end token among them.
        target: the translation's tokens likewise.
        weights: the weight of each source token for each target token, (target tokens, source tokens); rows sum to 1.
    """

    source: list[str]
    target: list[str]
    weights: NDArray[np.floating]


def attention_map(translator: NetworkTranslator, text: str, translation: Translation) -> AttentionMap:
    """The attention weights of a translation of `text`, which the network reads again.

    Raises:
        AnamnesisError: the network has no attention.
    """
    network, target = translator.network, translator.target
    source, ids = translator.source.encode(text), [*translation.ids, target.end]
    with torch.inference_mode():
        batch = collate([np.array(source.ids)], [np.array(ids)], target.start)
        device = network.output.weight.device
        state, memory = network.encode(batch.source.to(device), torch.from_numpy(batch.lengths))
        weights = network.decode(batch.inputs.to(device), state, memory)[2]
    if weights is None:
        raise AnamnesisError(f"{translator.card['experiment']} has no attention to show")
    tokens = translation.tokens
    shown = weights[0, : len(tokens)].cpu().numpy()
    return AttentionMap(translator.source.display(source.ids, source.copies), tokens, shown)
