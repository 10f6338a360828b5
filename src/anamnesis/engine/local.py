"""The executor of this machine: each task runs in a fork of a process that has imported the heavy libraries."""

import os
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from threading import Lock

from anamnesis.engine import signals, worker
from anamnesis.engine.executor import Result, Task

GRACE_SECONDS = 10.0


class LocalExecutor:
    """Runs each task in its own process and process group.

    Args:
        slots: the largest number of tasks at once.
        warm: import PyTorch, Lightning and MLflow once, before the first task; it takes some seconds. Without it, a
            Python stage imports what it uses, as in a plain `dvc repro`.
    """

    def __init__(self, slots: int, *, warm: bool) -> None:
        self.slots = slots
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload(["anamnesis.engine.warm" if warm else worker.__name__])
        # Starting a process polls all others, and only one thread can receive an exit code.
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="stage")
        self._running: list[ForkServerProcess] = []

    def submit(self, task: Task) -> "Future[Result]":
        """Start the task and return a future of its result."""
        process = self._context.Process(target=worker.run, args=(task,))
        start = time.monotonic()
        with self._lock:
            process.start()
        self._running.append(process)
        return self._threads.submit(self._wait, process, start)

    def _wait(self, process: ForkServerProcess, start: float) -> Result:
        wait([process.sentinel])
        with self._lock:
            process.join()
        self._running.remove(process)
        return Result(process.exitcode or 0, time.monotonic() - start)

    def stop(self) -> None:
        """Send SIGTERM to the process group of every task, and SIGKILL to those that are alive after 10 seconds."""
        groups = [process.pid for process in self._running if process.pid]
        with signals.ignore():
            end = time.monotonic() + GRACE_SECONDS
            while (alive := _alive(groups)) and time.monotonic() < end:
                _send(alive, signal.SIGTERM)
                repeat = min(end, time.monotonic() + 2)
                while _alive(groups) and time.monotonic() < repeat:
                    time.sleep(0.05)
            while alive := _alive(groups):
                _send(alive, signal.SIGKILL)
                time.sleep(0.05)
            self._threads.shutdown()


def _alive(groups: list[int]) -> list[int]:
    """The process groups that have a member which is not a zombie."""
    import psutil

    if not groups:
        return []
    alive = set()
    for process in psutil.process_iter(["pid", "status"]):
        try:
            if process.info["status"] != psutil.STATUS_ZOMBIE:
                alive |= {os.getpgid(process.pid), process.pid}
        except ProcessLookupError:
            continue
    return [group for group in groups if group in alive]


def _send(groups: list[int], number: int) -> None:
    """Send a signal to process groups."""
    for group in groups:
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            # The process has not created its group yet.
            try:
                os.kill(group, number)
            except ProcessLookupError:
                continue
