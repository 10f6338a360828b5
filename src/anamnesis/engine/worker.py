"""Runs one task in a process of its own, a fork of a process that holds no repository, lock or database."""

import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import parent_process
from multiprocessing.connection import wait
from types import FrameType

from anamnesis import console
from anamnesis.engine import completion
from anamnesis.engine.executor import Task

# A Python script with plain arguments runs in this process; every other command needs a shell.
_SCRIPT = re.compile(r"python3?( -P)? [\w./-]+\.py( [\w.,:=@/+-]+)*")


def run(task: Task) -> None:
    """Run a task's command, mark it if it succeeds, and exit with its code."""
    os.setsid()
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    _redirect(task)
    os.environ.update(task.environment, ANAMNESIS_STATUS=str(task.status))
    os.chdir(task.folder)
    print(f"> {task.command}", flush=True)
    marked = False

    def mark() -> None:
        nonlocal marked
        completion.mark(task.root, task.name, task.key, task.outputs)
        marked = True

    console.on_outputs(mark)
    code = execute(task.command)
    if code == 0 and not marked:
        mark()
    sys.exit(code)


def execute(command: str) -> int:
    """Run a shell command and return its exit code; a Python script runs in this process, with its imported modules."""
    if not _SCRIPT.fullmatch(command):
        # DVC uses the user's shell, too.
        return subprocess.run([os.environ.get("SHELL") or "/bin/sh", "-c", command], check=False).returncode
    script, *arguments = (word for word in shlex.split(command)[1:] if word != "-P")
    sys.argv = [script, *arguments]
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr, flush=True)
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _redirect(task: Task) -> None:
    """Redirect standard output and error to the task's log, and standard input from the null device."""
    task.log.parent.mkdir(parents=True, exist_ok=True)
    task.status.unlink(missing_ok=True)
    output = os.open(task.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    # The parent's stream objects may buffer whole blocks; these buffer lines.
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115


def _terminate(number: int, _frame: FrameType | None) -> None:
    """Exit by an exception, so that every `finally` runs."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _exit_with_parent() -> None:
    """End this process group when the engine has ended, even if it was killed; after SIGTERM, `finally` blocks run."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.killpg(0, signal.SIGTERM)
        time.sleep(10)
        os.killpg(0, signal.SIGKILL)
