"""What a stage or command says on the screen: progress bars on a terminal, one summary line, one line per error."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anamnesis.errors import AnamnesisError, ParamsError

if TYPE_CHECKING:
    from rich.progress import Progress, Task


def progress() -> "Progress":
    """A rich progress display on standard error, used as a context manager; silent when that is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    class Told(Progress):
        """Also tells `anamnesis repro`, which shows a table in place of its stages' bars, how far a task is."""

        def update(self, task_id: TaskID, **fields: Any) -> None:
            super().update(task_id, **fields)
            tell(_place(self._tasks[task_id]))

        def advance(self, task_id: TaskID, advance: float = 1) -> None:
            super().advance(task_id, advance)
            tell(_place(self._tasks[task_id]))

    console = Console(stderr=True)
    return Told(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def tell(text: str) -> None:
    """Say how far a long step is in the file that `anamnesis repro` watches, if it does, at most twice a second."""
    global _told
    file, now = os.environ.get("ANAMNESIS_STATUS"), time.monotonic()
    if file and now >= _told + 0.5:
        _told = now
        Path(file).write_text(text, encoding="utf-8")


_told = float("-inf")


def _place(task: "Task") -> str:
    return f"{task.description} {task.completed:g}" + (f"/{task.total:g}" if task.total is not None else "")


def summary(stage: str, name: str, text: str) -> None:
    """Print the one line that says what a finished stage made."""
    print(f"{stage} {name}: {text}", flush=True)


def on_outputs(listener: Callable[[], None]) -> None:
    """Have `listener` called when the stage of this process says that its outputs are complete."""
    global _listener
    _listener = listener


def outputs_are_complete() -> None:
    """Tell the engine, if it runs this stage, that the outputs are complete and count even if the process is killed."""
    if _listener is not None:
        _listener()


_listener: Callable[[], None] | None = None


def argument(what: str) -> str:
    """The single argument of a stage's script.

    Raises:
        ParamsError: there is none, or more than one.
    """
    if len(sys.argv) != 2:
        raise ParamsError(f"usage: python -P {sys.argv[0]} {what}; found {len(sys.argv) - 1} arguments")
    return sys.argv[1]


def run(main: Callable[[], None]) -> None:
    """Run a stage's `main`; turn an error of the user's into one line on standard error and its exit code."""
    try:
        main()
    except AnamnesisError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        if os.environ.get("ANAMNESIS_TRACEBACK"):
            raise
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        print("interrupted: nothing half-written was kept; run again to go on", file=sys.stderr, flush=True)
        raise SystemExit(130) from None
