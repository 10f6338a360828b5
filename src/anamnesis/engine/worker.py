"""One stage in a process of its own, forked from a process that holds no repository, lock or database."""

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
from anamnesis.engine import finished
from anamnesis.engine.executor import Task

# A script that this very process can run: nothing in the command needs a shell.
_SCRIPT = re.compile(r"python3?( -P)? [\w./-]+\.py( [\w.,:=@/+-]+)*")


def run(task: Task) -> None:
    """Run a task's command, note it when it has ended well, and exit with its code."""
    os.setsid()
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _redirect(task)
    os.environ.update(task.environment, ANAMNESIS_STATUS=str(task.status))
    os.chdir(task.folder)
    print(f"> {task.command}", flush=True)
    noted = False

    def note() -> None:
        nonlocal noted
        finished.note(task.root, task.name, task.key, task.outputs)
        noted = True

    console.on_outputs(note)
    code = execute(task.command)
    if code == 0 and not noted:
        note()
    sys.exit(code)


def execute(command: str) -> int:
    """Run a shell command and return its exit code; a Python script runs in this process, whose imports it finds."""
    if not _SCRIPT.fullmatch(command):
        # As DVC does: the user's own shell.
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
    task.log.parent.mkdir(parents=True, exist_ok=True)
    task.status.unlink(missing_ok=True)
    output = os.open(task.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    # The fork's streams are buffered as those of the process it comes from, perhaps by the block.
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115


def _terminate(number: int, _frame: FrameType | None) -> None:
    """Leave by way of every `finally`."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _end_with_parent() -> None:
    """End this process group when the engine is gone, even if it was killed: politely, so that `finally` is run."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.killpg(0, signal.SIGTERM)
        time.sleep(10)
        os.killpg(0, signal.SIGKILL)
