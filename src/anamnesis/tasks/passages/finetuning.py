"""The language model and the network on top as one network, all of whose weights learn."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anamnesis.tasks.language.network import RecurrentNetwork
from anamnesis.tasks.passages.settings import States


class FineTuned(nn.Module):
    """Token ids in, logits out, as `classifier.features` and the head make them, but with a gradient all the way.

    Its parameters have the names that they are stored under, `reader/...` and `head/...`. The language model's softmax
    is not among them: it does not enter the logits, so there is nothing for it to learn.

    Args:
        settings: the experiment's `model` block.
        reader: the language model.
        head: as `classifier.new_head` makes it.
        mean, scale: what the features are standardised with (features,), constants.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        settings: States,
        reader: RecurrentNetwork,
        head: nn.Sequential,
        mean: NDArray[np.float32],
        scale: NDArray[np.float32],
    ) -> None:
        super().__init__()
        self.summary = settings.summary
        # In a tuple, PyTorch does not register the two whole, and under other names.
        self.parts = (reader, head)
        for name, part in reader.named_children():
            if part is not reader.softmax:
                self.add_module(f"reader/{name}", part)
        for name, part in head.named_children():
            self.add_module(f"head/{name}", part)
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("scale", torch.from_numpy(scale))

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Logits (batch, labels).

        Args:
            ids: (time, batch), whatever pads the shorter passages after their end.
            lengths: tokens of each passage (batch,), at least 1.
        """
        reader, head = self.parts
        outputs, _ = reader(ids, reader.stack.initial_state(len(lengths)))
        found = []
        if self.summary != "last":
            inside = torch.arange(len(ids), device=ids.device)[:, None] < lengths
            found.append((outputs * inside[..., None]).sum(0) / lengths[:, None])
        if self.summary != "mean":
            found.append(outputs[lengths - 1, torch.arange(len(lengths), device=ids.device)])
        logits: Tensor = head((torch.cat(found, dim=1) - self.mean) / self.scale)
        return logits


def padded(passages: Sequence[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
    """Ids (time, batch) of passages side by side, 0 after the end of the shorter ones, and their lengths (batch,)."""
    ids = nn.utils.rnn.pad_sequence([torch.from_numpy(each) for each in passages])
    return ids, torch.tensor([len(each) for each in passages])


def untrained(reader: RecurrentNetwork) -> dict[str, Tensor]:
    """The parameters of a language model that `FineTuned` leaves as they are, by name: its softmax's own."""
    return {name: value for name, value in reader.named_parameters() if name.startswith("softmax.")}
