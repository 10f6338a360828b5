"""A time limit on a computation: the caller sets the limit, and the computation calls `check` between its steps."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import NamedTuple

from anamnesis.errors import AnamnesisError


class LimitError(AnamnesisError):
    """A computation was stopped before it was complete."""


class TimeLimitError(LimitError):
    """A computation exceeded its time limit."""


class StoppingError(LimitError):
    """The process is shutting down."""


class _Limit(NamedTuple):
    """A time limit; `end` is a time of the monotonic clock in seconds."""

    seconds: float
    end: float
    is_stopping: Callable[[], bool]


_limit: ContextVar[_Limit | None] = ContextVar("limit", default=None)


@contextmanager
def time_limit(seconds: float, is_stopping: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Let `check` raise an error after this block has run for some seconds, or when the process is shutting down.

    Args:
        seconds: the time limit.
        is_stopping: whether the process is shutting down.
    """
    token = _limit.set(_Limit(seconds, monotonic() + seconds, is_stopping))
    try:
        yield
    finally:
        _limit.reset(token)


def check() -> None:
    """Check the time limit, if there is one; call this between the steps of a computation.

    Raises:
        TimeLimitError: the time limit has passed.
        StoppingError: the process is shutting down.
    """
    limit = _limit.get()
    if limit is None:
        return
    if limit.is_stopping():
        raise StoppingError("the server is shutting down")
    if monotonic() > limit.end:
        raise TimeLimitError(f"found no answer in {limit.seconds:g} seconds, the time limit of a request; ask for less")
