"""A time limit on a computation: the caller sets the limit, and the computation checks it between two steps."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import NamedTuple

from anamnesis.errors import AnamnesisError


class LimitError(AnamnesisError):
    """A computation was ended before it was complete."""


class TimeLimitError(LimitError):
    """A computation took longer than it may."""


class StoppingError(LimitError):
    """The process was asked to end while it computed."""


class _Limit(NamedTuple):
    """`end` is a time of the monotonic clock, in seconds."""

    seconds: float
    end: float
    is_stopping: Callable[[], bool]


_limit: ContextVar[_Limit | None] = ContextVar("limit", default=None)


@contextmanager
def time_limit(seconds: float, is_stopping: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Let every `check` inside the block raise an error once the block has run for so many seconds.

    Args:
        is_stopping: says whether the process was asked to end; then, too, `check` raises an error.
    """
    token = _limit.set(_Limit(seconds, monotonic() + seconds, is_stopping))
    try:
        yield
    finally:
        _limit.reset(token)


def check() -> None:
    """Call this between two steps of a computation; it does nothing where the caller set no time limit.

    Raises:
        TimeLimitError: the time limit has passed.
        StoppingError: the process was asked to end.
    """
    limit = _limit.get()
    if limit is None:
        return
    if limit.is_stopping():
        raise StoppingError("the server is shutting down")
    if monotonic() > limit.end:
        raise TimeLimitError(f"found no answer in {limit.seconds:g} seconds, the time limit of a request; ask for less")
