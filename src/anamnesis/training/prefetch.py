"""Batches for a GPU, prepared one ahead in another thread and in page-locked memory."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

END = object()


class Prefetched:
    """The batches of `loader`, each prepared and pinned while the network trains on the previous one.

    Its state is that of `loader` after the last batch that it returned, not after the one that waits.

    Args:
        loader: sized iterable of batches with `state_dict` and `load_state_dict` that hold its position.
        pin: copy the batches into page-locked memory, from which a GPU reads while it computes.
    """

    def __init__(self, loader: Any, pin: bool = True) -> None:
        self.loader, self.pin = loader, pin
        self.state: dict[str, Any] = loader.state_dict()

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        batches = iter(self.loader)

        def take() -> tuple[Any, dict[str, Any]]:
            batch = next(batches, END)
            if self.pin:
                batch = apply_to_collection(batch, Tensor, Tensor.pin_memory)
            return batch, self.loader.state_dict()

        with ThreadPoolExecutor(max_workers=1) as thread:
            waiting = thread.submit(take)
            for _ in range(len(self)):
                batch, state = waiting.result()
                if batch is END:
                    return
                waiting = thread.submit(take)
                self.state = state
                yield batch

    def state_dict(self) -> dict[str, Any]:
        return self.state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loader.load_state_dict(state)
        self.state = state
