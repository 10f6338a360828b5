"""A language model as encoder of documents: frozen, its features are computed once; or trained with the head."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anamnesis.data.stores.documents import Documents
from anamnesis.tasks.classification.model.features import Head
from anamnesis.tasks.classification.settings import LanguageModel
from anamnesis.tasks.language.model.network import RecurrentNetwork
from anamnesis.tasks.language.model.states import encoded_states
from anamnesis.tasks.language.model.transfer import model_settings


def new_encoder(folder: Path, block: object, vocabulary: int) -> RecurrentNetwork:
    """A language model with random weights, without its softmax.

    Args:
        folder: the model folder from which `block` is, for errors.
        block: the language model's `model` block.
        vocabulary: number of token ids.

    Raises:
        AnamnesisError: the block is not that of a recurrent language model.
    """
    return without_softmax(RecurrentNetwork(model_settings(folder, block), vocabulary))


def without_softmax(network: RecurrentNetwork) -> RecurrentNetwork:
    """The same network; a classifier reads its hidden states only, and DDP refuses parameters without a gradient."""
    del network.softmax
    return network


def summaries(
    settings: LanguageModel,
    encoder: RecurrentNetwork,
    documents: Documents,
    rows: NDArray[np.int64],
    progress: Callable[[int], object] = lambda documents: None,
) -> NDArray[np.float32]:
    """The features of some documents (rows, features): the mean hidden state, the last one, or both.

    Args:
        settings: the experiment's `model` block.
        encoder: in evaluation mode.
        documents: in the tokens of the language model.
        rows: the numbers of the documents.
        progress: called with the number of documents read since the last call.

    Raises:
        AnamnesisError: a document has no token.
    """
    states = encoded_states(encoder, [documents[row] for row in rows], progress=progress)
    outputs = encoder.stack.outputs
    columns = {"mean": slice(outputs), "last": slice(outputs, None), "both": slice(None)}
    return states[:, columns[settings.summary]]


def summary_size(settings: LanguageModel, encoder: RecurrentNetwork) -> int:
    """The number of features of a document."""
    return encoder.stack.outputs * (2 if settings.summary == "both" else 1)


class FineTuned(nn.Module):
    """A language model and its head as one network, to train both.

    Args:
        settings: the experiment's `model` block.
        encoder: the language model.
        head: classifies the summary of its hidden states.
    """

    def __init__(self, settings: LanguageModel, encoder: RecurrentNetwork, head: Head) -> None:
        super().__init__()
        self.summary, self.encoder, self.head = settings.summary, encoder, head

    def forward(self, ids: Tensor, lengths: NDArray[np.int64] | Tensor) -> Tensor:
        """Logits (batch, labels).

        Args:
            ids: tokens (time, batch), with any ids behind a document's end.
            lengths: tokens of each document (batch,), at least 1.
        """
        sizes = torch.as_tensor(lengths).to(ids.device)
        outputs, _ = self.encoder(ids, self.encoder.stack.initial_state(len(sizes)))
        parts = []
        if self.summary != "last":
            inside = torch.arange(len(ids), device=ids.device)[:, None] < sizes
            parts.append((outputs * inside[..., None]).sum(0) / sizes[:, None])
        if self.summary != "mean":
            parts.append(outputs[sizes - 1, torch.arange(len(sizes), device=ids.device)])
        logits: Tensor = self.head(torch.cat(parts, dim=1))
        return logits
