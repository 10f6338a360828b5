"""Handlers of SIGINT, SIGTERM and SIGHUP while the engine runs and while it stops."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

NUMBERS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@contextmanager
def interrupting() -> Iterator[None]:
    """In the block, SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handlers(interrupt):
        yield


@contextmanager
def ignore() -> Iterator[None]:
    """In the block, the signals have no effect: a second Ctrl-C must not leave processes behind."""
    with _handlers(signal.SIG_IGN):
        yield


@contextmanager
def _handlers(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    # A signal that was ignored before, as SIGHUP is under nohup, stays ignored.
    old = {number: signal.signal(number, handler) for number in NUMBERS if signal.getsignal(number) != signal.SIG_IGN}
    try:
        yield
    finally:
        for number, former in old.items():
            signal.signal(number, former)
