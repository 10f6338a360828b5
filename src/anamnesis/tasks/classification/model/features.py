"""Documents as features, a vector each: a histogram of characters, or the hidden states of a language model.

A small network, the head, classifies the features. The language model stays as it is, so that its features are computed
once, or is trained together with the head.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anamnesis.data.stores.documents import Documents
from anamnesis.tasks.classification.settings import Histogram, LanguageModel
from anamnesis.tasks.language.model.network import RecurrentNetwork
from anamnesis.tasks.language.model.states import encoded_states

Progress = Callable[[int], object]


class Head(nn.Sequential):
    """Features in, logits of the labels out: a linear layer, and for a language model a hidden layer of ReLU.

    Args:
        settings: the experiment's `model` block.
        labels: number of labels.
        mean, scale: mean and standard deviation of each feature over the training documents (features,).
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        settings: Histogram | LanguageModel,
        labels: int,
        mean: NDArray[np.float32],
        scale: NDArray[np.float32],
    ) -> None:
        if isinstance(settings, Histogram):
            super().__init__(nn.Linear(len(mean), labels))
        else:
            super().__init__(
                nn.Dropout(settings.dropout),
                nn.Linear(len(mean), settings.hidden),
                nn.ReLU(),
                nn.Dropout(settings.dropout),
                nn.Linear(settings.hidden, labels),
            )
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("scale", torch.from_numpy(scale))

    def forward(self, features: Tensor) -> Tensor:
        """Logits (batch, labels) of features (batch, features)."""
        logits: Tensor = super().forward((features - self.mean) / self.scale)
        return logits


class FineTuned(nn.Module):
    """A language model and the head as one network, to train both.

    Its parameters have the names under which they are stored, `encoder/...` and `head/...`. The language model's
    softmax has no part in the logits and is not among them.

    Args:
        settings: the experiment's `model` block.
        encoder: the language model.
        head: classifies the summary of its hidden states.
    """

    def __init__(self, settings: LanguageModel, encoder: RecurrentNetwork, head: Head) -> None:
        super().__init__()
        self.summary = settings.summary
        # In a tuple, so that PyTorch does not register the softmax.
        self.parts = encoder, head
        for name, part in encoder.named_children():
            if part is not encoder.softmax:
                self.add_module(f"encoder/{name}", part)
        for name, part in head.named_children():
            self.add_module(f"head/{name}", part)
        self.register_buffer("mean", head.mean)
        self.register_buffer("scale", head.scale)

    def forward(self, ids: Tensor, lengths: NDArray[np.int64]) -> Tensor:
        """Logits (batch, labels).

        Args:
            ids: tokens (time, batch), with any ids behind a document's end.
            lengths: tokens of each document (batch,), at least 1.
        """
        encoder, head = self.parts
        sizes = torch.from_numpy(lengths).to(ids.device)
        outputs, _ = encoder(ids, encoder.stack.initial_state(len(sizes)))
        summaries = []
        if self.summary != "last":
            inside = torch.arange(len(ids), device=ids.device)[:, None] < sizes
            summaries.append((outputs * inside[..., None]).sum(0) / sizes[:, None])
        if self.summary != "mean":
            summaries.append(outputs[sizes - 1, torch.arange(len(sizes), device=ids.device)])
        logits: Tensor = head(torch.cat(summaries, dim=1))
        return logits


def frequencies(documents: Documents, rows: NDArray[np.int64], vocabulary: int) -> NDArray[np.float32]:
    """The share of each token in some documents (rows, vocabulary); zeros for a document without tokens."""
    counts = np.stack([np.bincount(documents[row], minlength=vocabulary) for row in rows]).astype(np.float64)
    return (counts / np.maximum(counts.sum(1, keepdims=True), 1)).astype(np.float32)


def summary_size(settings: LanguageModel, encoder: RecurrentNetwork) -> int:
    """The number of features of a document."""
    return encoder.stack.outputs * (2 if settings.summary == "both" else 1)


def features(
    settings: Histogram | LanguageModel,
    encoder: RecurrentNetwork | None,
    documents: Documents,
    rows: NDArray[np.int64],
    vocabulary: int,
    progress: Progress = lambda documents: None,
) -> NDArray[np.float32]:
    """The features of some documents (rows, features), which the head reads.

    Args:
        settings: the experiment's `model` block.
        encoder: the language model, in evaluation mode; None for a histogram.
        documents: in the tokens of the model.
        rows: the numbers of the documents.
        vocabulary: number of token ids.
        progress: called with the number of documents read since the last call.

    Raises:
        AnamnesisError: a document has no token for the language model to read.
    """
    if encoder is None or isinstance(settings, Histogram):
        progress(len(rows))
        return frequencies(documents, rows, vocabulary)
    outputs = encoder.stack.outputs
    columns = {"mean": slice(outputs), "last": slice(outputs, None), "both": slice(None)}
    states = encoded_states(encoder, [documents[row] for row in rows], progress=progress)
    return states[:, columns[settings.summary]]


def standard(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of each feature over documents (documents, features); 1 for a constant feature."""
    mean, deviation = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64)
    return mean.astype(np.float32), np.where(deviation > 1e-8, deviation, 1).astype(np.float32)


def prefixed(prefix: str, weights: Mapping[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    """Weights as arrays, with 'PREFIX/' before their names."""
    return {f"{prefix}/{name}": value.detach().cpu().numpy() for name, value in weights.items()}
