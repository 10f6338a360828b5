"""Documents as features, a vector each: a histogram of characters, or the hidden states of a language model.

A small network, the head, classifies the features. The language model stays as it is, so that its features are computed
once, or is trained together with the head.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from anamnesis import deadline, models
from anamnesis.data.stores.documents import Documents
from anamnesis.data.tokenizers import tokenizer as tokenizers
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.classification.model.documents import TOKENIZER, pad
from anamnesis.tasks.classification.settings import Histogram, LanguageModel
from anamnesis.tasks.language import settings as language
from anamnesis.tasks.language.network import RecurrentNetwork

Progress = Callable[[int], object]
# Documents that a frozen language model reads at once, and time steps: more would need more memory.
BATCH, STEPS = 64, 256


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


def states(
    encoder: RecurrentNetwork,
    documents: Documents,
    rows: NDArray[np.int64],
    progress: Progress = lambda documents: None,
) -> NDArray[np.float32]:
    """The top layer's hidden states over some documents: their mean, and beside it the last one.

    The language model reads every document from the zero state. Documents of about the same length share a batch.

    Args:
        encoder: in evaluation mode.
        documents: in the tokens of the language model.
        rows: the numbers of the documents.
        progress: called with the number of documents read since the last call.

    Returns:
        (rows, 2 * outputs), the means first.

    Raises:
        AnamnesisError: a document has no token.
    """
    sizes = np.diff(documents.offsets)[rows]
    if not sizes.all():
        raise AnamnesisError(f"document {rows[sizes == 0][0] + 1} of {len(documents)} holds nothing but white space")
    result = np.empty((len(rows), 2 * encoder.stack.outputs), np.float32)
    order = np.argsort(sizes, kind="stable")
    for first in range(0, len(order), BATCH):
        places = order[first : first + BATCH]
        result[places] = _states(encoder, *pad(documents, rows[places])).numpy()
        progress(len(places))
    return result


@torch.inference_mode()
def _states(encoder: RecurrentNetwork, ids: Tensor, lengths: NDArray[np.int64]) -> Tensor:
    """Mean and last state (batch, 2 * outputs) over ids (time, batch) of the given lengths (batch,)."""
    sizes, columns = torch.from_numpy(lengths), torch.arange(len(lengths))
    state = encoder.stack.initial_state(len(lengths))
    total = torch.zeros(len(lengths), encoder.stack.outputs)
    last = torch.zeros_like(total)
    for first in range(0, len(ids), STEPS):
        deadline.check()
        outputs, state = encoder(ids[first : first + STEPS], state)
        steps = torch.arange(first, first + len(outputs))
        total += (outputs * (steps[:, None] < sizes)[..., None]).sum(0)
        ends = sizes - 1 - first
        here = (ends >= 0) & (ends < len(outputs))
        last[here] = outputs[ends[here], columns[here]]
    return torch.cat([total / sizes[:, None], last], dim=1)


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
        progress: as for `states`.

    Raises:
        AnamnesisError: a document has no token for the language model to read.
    """
    if encoder is None or isinstance(settings, Histogram):
        progress(len(rows))
        return frequencies(documents, rows, vocabulary)
    outputs = encoder.stack.outputs
    columns = {"mean": slice(outputs), "last": slice(outputs, None), "both": slice(None)}
    return states(encoder, documents, rows, progress)[:, columns[settings.summary]]


def standard(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of each feature over documents (documents, features); 1 for a constant feature."""
    mean, deviation = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64)
    return mean.astype(np.float32), np.where(deviation > 1e-8, deviation, 1).astype(np.float32)


def load_language_model(folder: Path) -> tuple[dict[str, Any], RecurrentNetwork]:
    """The card and the network, in evaluation mode, of a recurrent language model's folder.

    Raises:
        AnamnesisError: a file is missing, damaged or altered, or it is not a recurrent language model.
    """
    card, weights = models.read(folder)
    if card.get("task") != "language":
        raise AnamnesisError(f"{folder}: found a model of task {card.get('task')}; allowed: language")
    vocabulary = tokenizers.load(folder / TOKENIZER).vocabulary_size
    return card, models.network(folder, lambda: new_encoder(folder, card.get("model"), vocabulary), weights)


def new_encoder(folder: Path, model: Any, vocabulary: int) -> RecurrentNetwork:
    """A language model with random weights.

    Args:
        folder: of the model that describes it, for errors.
        model: the language model's `model` block.
        vocabulary: number of token ids.

    Raises:
        AnamnesisError: the block is not that of a recurrent language model.
    """
    try:
        settings: language.Model = TypeAdapter(language.Model).validate_python(model)
    except ValidationError:
        raise AnamnesisError(f"{folder}: model.json describes no language model") from None
    if not isinstance(settings, language.Reader):
        raise AnamnesisError(f"{folder}: found architecture {settings.architecture}; allowed: a recurrent one")
    return RecurrentNetwork(settings, vocabulary)


def prefixed(prefix: str, weights: Mapping[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    """Weights as arrays, with 'PREFIX/' before their names."""
    return {f"{prefix}/{name}": value.detach().cpu().numpy() for name, value in weights.items()}
