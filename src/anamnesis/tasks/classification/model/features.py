"""The features of documents, a vector each, and the small network that classifies them."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anamnesis.data.stores.documents import Documents
from anamnesis.tasks.classification.settings import Histogram, LanguageModel


class Head(nn.Sequential):
    """Standardises features and computes logits of the labels: a linear layer, after a hidden one for a language model.

    Args:
        settings: the experiment's `model` block.
        mean, scale: mean and standard deviation of each feature over the training documents (features,).
        labels: number of labels.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, settings: Histogram | LanguageModel, mean: NDArray[np.float32], scale: NDArray[np.float32], labels: int
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


def frequencies(documents: Documents, rows: NDArray[np.int64], vocabulary: int) -> NDArray[np.float32]:
    """The share of each token in some documents (rows, vocabulary); zeros for a document without tokens.

    Args:
        rows: the numbers of the documents.
        vocabulary: number of token ids.
    """
    counts = np.stack([np.bincount(documents[row], minlength=vocabulary) for row in rows]).astype(np.float64)
    return (counts / np.maximum(counts.sum(1, keepdims=True), 1)).astype(np.float32)


def moments(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of each feature over documents (documents, features); 1 for a constant feature."""
    mean, deviation = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64)
    return mean.astype(np.float32), np.where(deviation > 1e-8, deviation, 1).astype(np.float32)
