"""Batches of documents, cut and padded.

A batch with `padding: dummy` and a length of 5, and one with `packed`; the network stops at the bar:

    oil prices rose DUMMY DUMMY |          oil prices rose |
    wheat exports to the soviet |          wheat exports to the soviet |
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anamnesis.data.stores.documents import Documents
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.tasks.classification.settings import WordNetwork

# A batch of fixed shape has a multiple of so many steps.
STEPS = 16


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


def pad_to_fixed_shape(batch: tuple[tuple[Any, ...], Tensor]) -> tuple[tuple[Any, ...], Tensor]:
    """The batch with more padding, so that many batches have its shape, and with lengths for a batch without packing.

    Args:
        batch: ids (time, batch) and lengths (batch,), as `pad` returns them; and labels (batch,).
    """
    (ids, lengths), labels = batch
    # Documents of equal lengths, such as those filled up by DUMMY, have one shape already.
    more = 0 if (lengths == len(ids)).all() else -len(ids) % STEPS
    return (torch.nn.functional.pad(ids, (0, 0, 0, more)), torch.as_tensor(lengths)), labels
