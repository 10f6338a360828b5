"""A forked process that kills itself before one of its changes to the disk, so that tests can try every moment."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

# Between two of these nothing changes on the disk but the content of an open file.
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "shutil.rmtree")
ALL = sys.maxsize


def run(work: Callable[[], object], moment: int = ALL) -> tuple[int, int]:
    """Call `work` in a fork, which dies of SIGKILL before its change number `moment`, counted from 0.

    Returns:
        The exit code, negative for a signal, and how many changes there were.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code, count = 1, 0

        def watch(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal count
            # Files that are opened to be written are changes, too.
            if event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & 3):
                if count == moment:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1

        try:
            sys.addaudithook(watch)
            work()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            os.write(writer, str(count).encode())
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        count = int(pipe.read() or moment)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), count
