"""One stage in a process of its own: DVC's own command line, without the second that importing DVC costs.

The scheduler lets a fork server import this module once; each stage is then a fork of that clean, single-threaded
process, which holds no repository, lock or database.
"""

import os
import signal
import sys
import threading
import time
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from types import FrameType

import dvc.cli
import dvc.commands.repro
import dvc.output
import dvc.repo.reproduce
import dvc.stage.run
import dvc.utils.serialize


def main(root: str, arguments: list[str], log: str, status: str) -> None:
    """Run `dvc repro ARGUMENTS` in `root` and exit with its code.

    Args:
        log: the file that takes everything written to standard output and error.
        status: the file in which the stage may say how far it is (see `anamnesis.console.progress`).
    """
    os.setsid()
    # DVC itself must outlive a polite end: the stage's command dies of SIGTERM, DVC sees that, records nothing and
    # gives its locks back. A handler, unlike SIG_IGN, is not inherited by that command.
    signal.signal(signal.SIGTERM, _ignore)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ["ANAMNESIS_STATUS"] = status
    os.chdir(root)
    sys.argv = ["dvc", "--wait-for-lock", "repro", *arguments]
    code = dvc.cli.main(sys.argv[1:])
    if not _parent_lives():
        os.killpg(0, signal.SIGKILL)
    sys.exit(code)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    pass


def _parent_lives() -> bool:
    parent = parent_process()
    return parent is None or parent.is_alive()


def _end_with_parent() -> None:
    """End this process group when the scheduler is gone, even if that was killed: politely, so that locks go too."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.killpg(0, signal.SIGTERM)
        time.sleep(10)
        os.killpg(0, signal.SIGKILL)
