"""What a network is given of a document: its first words, and how far to read.

With `padding: dummy` and a length of 5, and with `packed`; the network stops where the bar stands:

    oil prices rose DUMMY DUMMY |          oil prices rose |
    wheat exports to the soviet |          wheat exports to the soviet |
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.tasks.classification.settings import Experiment

Read = tuple[Tensor, NDArray[np.int64]]
"""Word ids (time, batch), int64, and up to where each document is read (batch,), at least 1: on the CPU, where packing
needs it."""


def vocabulary(tokenizer: Tokenizer, experiment: Experiment) -> int:
    """How many ids a network may be given: those of the tokenizer, and behind them DUMMY, where it occurs."""
    return tokenizer.vocabulary_size + (experiment.padding == "dummy")


class Reading:
    """Documents as the experiment reads them.

    Args:
        ids: of all documents one after the other, whole numbers, (tokens,).
        offsets: document i is ids[offsets[i] : offsets[i + 1]], (documents + 1,); none is empty.
        experiment: says how many words are read, and what follows the last one.
        dummy: the id of DUMMY.
    """

    def __init__(self, ids: NDArray[Any], offsets: NDArray[np.int64], experiment: Experiment, dummy: int) -> None:
        packed = experiment.padding == "packed"
        self._ids, self._starts = np.asarray(ids), np.asarray(offsets[:-1])
        self._words = np.minimum(np.diff(offsets), experiment.length)
        # In a packed document it is not read, but must be an id.
        self._filler = np.int64(0 if packed else dummy)
        self.lengths = self._words if packed else np.full_like(self._words, experiment.length)

    def __len__(self) -> int:
        return len(self.lengths)

    def pick(self, rows: Tensor) -> Read:
        """The documents with these numbers (batch,), no longer than the longest of them.

        Only these are filled up, so that all documents together take no more memory than their own words.
        """
        picked = rows.numpy()
        lengths = self.lengths[picked]
        place = np.arange(int(lengths.max()))[:, None]
        there = place < self._words[picked]
        # Behind its end a document has no place in `ids`: any will do, as it is overwritten.
        found = self._ids[np.where(there, self._starts[picked] + place, 0)]
        return torch.from_numpy(np.where(there, found.astype(np.int64), self._filler)), lengths


def joined(documents: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Documents, each (its tokens,), as `Reading` takes them: ids one after the other, and offsets."""
    return np.concatenate(documents), np.cumsum([0, *map(len, documents)], dtype=np.int64)
