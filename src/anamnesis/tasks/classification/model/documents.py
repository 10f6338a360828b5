"""Documents as the token ids that a model reads, and batches of them.

A batch with `padding: dummy` and a length of 5, and one with `packed`; the network stops at the bar:

    oil prices rose DUMMY DUMMY |          oil prices rose |
    wheat exports to the soviet |          wheat exports to the soviet |
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anamnesis.data.stores import store
from anamnesis.data.stores.documents import Documents
from anamnesis.data.tokenizers import tokenizer as tokenizers
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.tasks.classification.settings import LanguageModel, Model, WordNetwork

TOKENIZER = "tokenizer.json"


def encode(settings: Model, tokenizer: Tokenizer, text: str) -> NDArray[Any]:
    """The token ids (tokens,) that a model reads of a text; none where the text holds no token.

    A model of characters reads each run of white space as one space: line lengths and indents of an edition would give
    an author away.

    Args:
        settings: the experiment's `model` block.
        tokenizer: the model's tokenizer; a language model has its own.
    """
    if settings.token_kind == "words":
        return tokenizer.encode_document(text).ids
    longest = settings.longest if isinstance(settings, LanguageModel) else None
    return tokenizer.encode(" ".join(text.split())[:longest])


def open_split(folder: Path, split: str, settings: Model, tokenizer: Tokenizer) -> Documents:
    """The documents of a split in the tokens of a model, with their labels.

    Args:
        folder: the token store; its own tokenizer tells words or characters, as `settings.token_kind` says.
        split: train, valid or test.
        settings: the experiment's `model` block.
        tokenizer: the model's tokenizer.

    Raises:
        AnamnesisError: a file is missing or damaged, or the store holds no documents.
    """
    documents = store.open_documents(folder, split)
    if settings.token_kind == "words":
        return documents
    own = tokenizers.load(folder / TOKENIZER)
    texts = (documents.text(number, own) for number in range(len(documents)))
    return join([encode(settings, tokenizer, text) for text in texts], documents.labels)


def join(ids: Sequence[NDArray[Any]], labels: NDArray[Any]) -> Documents:
    """Documents from the ids of each (tokens,) and their labels (documents,)."""
    return Documents(np.concatenate(ids), np.cumsum([0, *map(len, ids)], dtype=np.int64), labels)


def input_vocabulary(settings: WordNetwork, tokenizer: Tokenizer) -> int:
    """The number of ids that a network of words may read: those of the tokenizer, then DUMMY where it is in use."""
    return tokenizer.vocabulary_size + (settings.padding == "dummy")


def word_batch(
    documents: Documents, rows: NDArray[np.int64], settings: WordNetwork, dummy: int
) -> tuple[Tensor, NDArray[np.int64]]:
    """The first words of some documents, padded as the settings say. Arguments and result as for `pad`.

    Args:
        settings: the experiment's `model` block.
        dummy: the id of DUMMY.
    """
    return pad(documents, rows, settings.length, dummy if settings.padding == "dummy" else None)


def pad(
    documents: Documents, rows: NDArray[np.int64], length: int | None = None, dummy: int | None = None
) -> tuple[Tensor, NDArray[np.int64]]:
    """Token ids of some documents side by side.

    Args:
        rows: the numbers of the documents (batch,).
        length: how many tokens of a document are read, from its beginning; None: all.
        dummy: the id that fills up shorter documents to `length` and is read like any other; None: a document is read
            to its own end, and the ids behind it are 0.

    Returns:
        Ids (time, batch), int64, and the length that is read of each document (batch,), on the CPU, where packing needs
        it.
    """
    starts, sizes = documents.offsets[rows], documents.offsets[rows + 1] - documents.offsets[rows]
    if length is not None:
        sizes = np.minimum(sizes, length)
    lengths = sizes if dummy is None or length is None else np.full_like(sizes, length)
    steps = np.arange(int(lengths.max()))[:, None]
    inside = steps < sizes
    # Behind its end a document has no place in `ids`: any id will do, because it is overwritten.
    ids = np.asarray(documents.ids)[np.where(inside, starts + steps, 0)]
    return torch.from_numpy(np.where(inside, ids.astype(np.int64), dummy or 0)), lengths
