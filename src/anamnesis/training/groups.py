"""Groups of batches, which Lightning counts as one batch each, so that its work for a batch is done once for many."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any


class Groups:
    """The batches of `loader` in lists of `size`, the last of an epoch shorter.

    Its state is that of `loader`, so a training may resume after any group.

    Args:
        loader: sized iterable of batches with `state_dict` and `load_state_dict` that hold its position.
        size: batches in a group.
        change: called with each batch; returns the batch to use in its place.
    """

    def __init__(self, loader: Any, size: int, change: Callable[[Any], Any] | None = None) -> None:
        self.loader, self.size, self.change = loader, size, change

    def __len__(self) -> int:
        return -(-len(self.loader) // self.size)

    def __iter__(self) -> Iterator[list[Any]]:
        batches = iter(self.loader) if self.change is None else map(self.change, self.loader)
        while group := list(islice(batches, self.size)):
            yield group

    def state_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = self.loader.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loader.load_state_dict(state)
