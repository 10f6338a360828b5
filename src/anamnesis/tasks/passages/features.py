"""From passages to numbers: normalised text, labels, frequencies of tokens."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.stores.store import open_documents
from anamnesis.data.tokenizers import tokenizer
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.errors import AnamnesisError


def normalised(text: str) -> str:
    """The text with every run of white space as one space, and none at its ends."""
    return " ".join(text.split())


def passages(store: Path, split: str) -> tuple[list[str], NDArray[np.int64]]:
    """The normalised texts of a split's documents and their labels (documents,), numbers in stats.json's `labels`.

    A character that the store's tokenizer did not know is U+FFFD.

    Raises:
        AnamnesisError: a file is missing or damaged, or the store holds no documents, or not their characters.
    """
    own = tokenizer.load(store / "tokenizer.json")
    if own.kind != "characters":
        raise AnamnesisError(f"{store}: found documents in {own.kind}; allowed for passages: characters")
    documents = open_documents(store, split)
    texts = [normalised(documents.text(number, own)) for number in range(len(documents))]
    return texts, documents.labels.astype(np.int64)


def frequencies(vocabulary: Tokenizer, texts: Sequence[str]) -> NDArray[np.float32]:
    """The share of each token in each text (texts, vocabulary); a text without a token has none of any."""
    rows = [np.bincount(vocabulary.encode(text), minlength=vocabulary.vocabulary_size) for text in texts]
    counts = np.array(rows, np.float64).reshape(len(texts), vocabulary.vocabulary_size)
    return (counts / np.maximum(counts.sum(1, keepdims=True), 1)).astype(np.float32)


def standard(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of each feature over texts (texts, features); 1 for a feature that never changes."""
    mean, deviation = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64)
    return mean.astype(np.float32), np.where(deviation > 1e-8, deviation, 1).astype(np.float32)
