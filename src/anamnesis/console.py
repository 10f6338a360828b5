"""Output of stages and commands: progress bars on a terminal, one summary line, one line for each error."""

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

# Characters of an unexpected error message to print; some messages contain whole files.
LONGEST = 500
INTERRUPTED = "interrupted: no incomplete output was kept; run the command again to continue"

# Control characters except tab and newline, and marks of text direction: a terminal obeys them.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """The text with control characters and marks of text direction as escapes such as `\\x1b`, safe for a terminal.

    Tabs and newlines stay. Call this on every text of a model, a file or a server before you print it on a terminal.
    """
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), text)


def progress() -> "Progress":
    """A context manager that shows rich progress bars on standard error, and nothing if that is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    class ReportingProgress(Progress):
        """Also reports the progress to `anamnesis repro`, which shows a table of all stages."""

        def update(self, task_id: TaskID, **fields: Any) -> None:
            super().update(task_id, **fields)
            _report_status(self._tasks[task_id])

        def advance(self, task_id: TaskID, advance: float = 1) -> None:
            super().advance(task_id, advance)
            _report_status(self._tasks[task_id])

    console = Console(stderr=True)
    return ReportingProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def _report_status(task: "Task") -> None:
    """Write the progress of a task to the file ANAMNESIS_STATUS, which `anamnesis repro` reads, every half second."""
    global _last_status
    file, now = os.environ.get("ANAMNESIS_STATUS"), time.monotonic()
    if file and now >= _last_status + 0.5:
        _last_status = now
        total = "" if task.total is None else f"/{task.total:g}"
        Path(file).write_text(f"{task.description} {task.completed:g}{total}", encoding="utf-8")


_last_status = float("-inf")


def summary(stage: str, name: str, text: str) -> None:
    """Print the summary line of a finished stage."""
    print(printable(f"{stage} {name}: {text}"), flush=True)


def on_outputs(listener: Callable[[], None]) -> None:
    """Call `listener` when the stage of this process calls `outputs_are_complete`."""
    global _listener
    _listener = listener


def outputs_are_complete() -> None:
    """Notify the engine, if it runs this stage, that the outputs are complete, even if the process is killed later."""
    if _listener is not None:
        _listener()


_listener: Callable[[], None] | None = None


def arguments(*names: str) -> tuple[Path, list[str]]:
    """The folder of a stage's settings, inputs and outputs, and the arguments of its script.

    The folder is the project's, or that of the profile that the option `--profile` names.

    Args:
        names: the names of the arguments.

    Raises:
        ParamsError: the number of arguments is another.
    """
    given, root = sys.argv[1:], Path()
    if "--profile" in given[:-1]:
        index = given.index("--profile")
        root = profile_folder(Path(), given[index + 1])
        del given[index : index + 2]
    if len(given) != len(names):
        usage = " ".join(["python -P", sys.argv[0], *names, "[--profile PROFILE]"])
        raise ParamsError(f"usage: {usage}; found {len(given)} arguments")
    return root, given


def run(main: Callable[[], None]) -> None:
    """Run the `main` of a stage or of the command; print an error as one line and exit with its code.

    The traceback of an unexpected error goes to a log file that the line names. SIGTERM and SIGHUP raise SystemExit, so
    that every `finally` runs and temporary files are removed.
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
        print(INTERRUPTED, file=sys.stderr, flush=True)
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise
    except Exception as error:
        if os.environ.get("ANAMNESIS_TRACEBACK"):
            raise
        print(f"error: {printable(_log_unexpected(error))}", file=sys.stderr, flush=True)
        raise SystemExit(1) from None


def _exit_on_signals() -> None:
    """Make SIGTERM and SIGHUP raise SystemExit unless another handler is set.

    Under nohup, SIGHUP stays ignored; the engine sets handlers before it runs a stage.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, leave)


def _log_unexpected(error: Exception) -> str:
    """Write the traceback of an error to a log file; return one line with the error and the file's path."""
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
