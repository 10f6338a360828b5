"""What a stage or command says on the screen: progress bars on a terminal, one summary line, one line per error."""

import os
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from anamnesis.errors import AnamnesisError, ParamsError, hide_passwords
from anamnesis.files import write_text
from anamnesis.project import LOGS, find_root, profile_folder

if TYPE_CHECKING:
    from rich.progress import Progress, Task

# Characters of an error that nobody foresaw, some of which hold whole files.
LONGEST = 500


# Control characters but for tab and newline, and marks that change the direction of text: they steer a terminal.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """The text as a terminal may show it: control characters and marks of direction as escapes such as `\\x1b`.

    Tab and newline stay. Call it on any text that a model wrote, or that comes from a file, before it goes to a
    terminal.
    """
    return _STEERING.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), text)


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
    print(printable(f"{stage} {name}: {text}"), flush=True)


def on_outputs(listener: Callable[[], None]) -> None:
    """Have `listener` called when the stage of this process says that its outputs are complete."""
    global _listener
    _listener = listener


def outputs_are_complete() -> None:
    """Tell the engine, if it runs this stage, that the outputs are complete and count even if the process is killed."""
    if _listener is not None:
        _listener()


_listener: Callable[[], None] | None = None


def arguments(*names: str) -> tuple[Path, list[str]]:
    """The folder for a stage's settings, inputs and outputs, and the arguments of the stage's script.

    The folder is the project's own, or that of the profile after `--profile`.

    Args:
        names: what the arguments are, for the error.

    Raises:
        ParamsError: there are fewer or more arguments.
    """
    given, root = sys.argv[1:], Path()
    if "--profile" in given[:-1]:
        place = given.index("--profile")
        root = profile_folder(Path(), given[place + 1])
        del given[place : place + 2]
    if len(given) != len(names):
        usage = " ".join(["python -P", sys.argv[0], *names, "[--profile PROFILE]"])
        raise ParamsError(f"usage: {usage}; found {len(given)} arguments")
    return root, given


def run(main: Callable[[], None]) -> None:
    """Run the `main` of a stage or of the command; an error is one line on standard error and an exit code.

    An error that nobody foresaw has its traceback in a file that the line names. SIGTERM and SIGHUP end the process by
    SystemExit, so that every `finally` runs and temporary files go.
    """
    _exit_on_signals()
    try:
        main()
    except AnamnesisError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr, flush=True)
        if os.environ.get("ANAMNESIS_TRACEBACK"):
            raise
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        print("interrupted: nothing half-written was kept; run again to go on", file=sys.stderr, flush=True)
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise
    except Exception as error:
        if os.environ.get("ANAMNESIS_TRACEBACK"):
            raise
        print(f"error: {printable(_unforeseen(error))}", file=sys.stderr, flush=True)
        raise SystemExit(1) from None


def _exit_on_signals() -> None:
    """Make SIGTERM and SIGHUP raise SystemExit where they have their default action.

    Under nohup SIGHUP is ignored and stays so; whoever runs a stage may have set handlers of its own.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, leave)


def _unforeseen(error: Exception) -> str:
    """One line about an error, with the file that holds its traceback."""
    text = hide_passwords(" ".join(f"{type(error).__name__}: {error}".split()))[:LONGEST].rstrip(": ")
    try:
        folder = find_root() / LOGS
    except AnamnesisError:
        folder = Path(tempfile.gettempdir())
    path = folder / f"error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    try:
        write_text(path, hide_passwords("".join(traceback.format_exception(error))))
    except OSError as failure:
        return f"{text}; its traceback cannot be written to {folder} ({failure.strerror})"
    return f"{text}; its traceback is in {os.path.relpath(path) if path.is_relative_to(Path.cwd()) else path}"
