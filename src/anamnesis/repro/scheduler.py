"""Ready stages side by side, in dependency order, each a single-stage run of DVC; and the end of all of them."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import FrameType
from typing import Literal

from anamnesis.repro.graph import Stage

LOGS = Path(".anamnesis/logs")
BUSY = ("Unable to acquire lock", "is busy, it is being blocked by")
MOST_TRIES = 20
GRACE_SECONDS = 10.0


State = Literal["waiting", "running", "done", "cached", "failed", "skipped"]


@dataclass
class Progress:
    """Where one stage is; `text` is the summary line of a finished stage, or how far a running one says it is."""

    stage: Stage
    state: State = "waiting"
    seconds: float = 0.0
    text: str = ""
    code: int | None = None


@dataclass
class _Running:
    process: ForkServerProcess
    began: float
    progress: Progress
    log: Path
    status: Path


@dataclass
class Scheduler:
    """Runs the stages of a plan.

    Attributes:
        root: the project's folder.
        jobs: the most stages that run at once.
        priority: of the stages that are ready, the one for which this is greatest starts first.
        tell: called with the progress of every stage some times a second, and when anything has changed.
    """

    root: Path
    jobs: int
    priority: Callable[[str], float] = lambda name: 0.0
    tell: Callable[[list[Progress]], None] = lambda progress: None
    _running: list[_Running] = field(default_factory=list)

    def run(self, stages: list[Stage]) -> list[Progress]:
        """Run all that is not current; a stage after a failed one is skipped, the others finish.

        Raises:
            KeyboardInterrupt: on Ctrl-C, SIGTERM or SIGHUP, after every process that was started has ended.
        """
        progress = {stage.name: Progress(stage, "cached" if stage.current else "waiting") for stage in stages}
        told = list(progress.values())
        tries: dict[str, int] = {}
        not_before: dict[str, float] = {}
        with _signals_interrupt():
            try:
                while True:
                    self._skip(progress)
                    now = time.monotonic()
                    ready = [
                        name
                        for name, one in progress.items()
                        if one.state == "waiting"
                        and not_before.get(name, 0) <= now
                        and all(progress[need].state in ("done", "cached") for need in one.stage.needs)
                    ]
                    for name in sorted(ready, key=self.priority, reverse=True)[: self.jobs - len(self._running)]:
                        self._start(progress[name], ["--single-item", name])
                    self.tell(told)
                    if not any(one.state in ("waiting", "running") for one in told):
                        return told
                    for one in self._finished():
                        name = one.progress.stage.name
                        if _busy(one) and tries.get(name, 0) < MOST_TRIES:
                            tries[name] = tries.get(name, 0) + 1
                            not_before[name] = time.monotonic() + min(0.2 * 1.5 ** tries[name], 10)
                            one.progress.state = "waiting"
                        else:
                            _conclude(one)
            finally:
                self.stop()

    def whole(self, targets: list[str]) -> str:
        """What a plain `dvc repro TARGETS` over everything says, by which it tells whether it found work.

        Raises:
            KeyboardInterrupt: as `run` does.
        """
        progress = Progress(Stage("dvc-repro", frozenset(), False))
        with _signals_interrupt():
            try:
                self._start(progress, targets)
                while not (ended := self._finished()):
                    pass
            finally:
                self.stop()
        progress.code = ended[0].process.exitcode
        return _read(ended[0].log) if progress.code == 0 else ""

    def stop(self) -> None:
        """End every process group that runs: SIGTERM, and SIGKILL for what has not heard it after some seconds."""
        if not self._running:
            return
        groups = [one.process.pid for one in self._running if one.process.pid]
        with _signals_ignored():
            end = time.monotonic() + GRACE_SECONDS
            while (alive := _alive(groups)) and time.monotonic() < end:
                _signal(alive, signal.SIGTERM)
                patience = min(end, time.monotonic() + 2)
                while _alive(groups) and time.monotonic() < patience:
                    time.sleep(0.05)
            while alive := _alive(groups):
                _signal(alive, signal.SIGKILL)
                time.sleep(0.05)
            for one in self._running:
                if one.process.pid:
                    one.process.join()
        self._running.clear()

    def _start(self, progress: Progress, arguments: list[str]) -> None:
        from anamnesis.repro import worker

        log = self.root / LOGS / f"{progress.stage.name}.log"
        status = log.with_suffix(".status")
        status.unlink(missing_ok=True)
        context = get_context("forkserver")
        context.set_forkserver_preload([worker.__name__])
        process = context.Process(target=worker.main, args=(str(self.root), arguments, str(log), str(status)))
        progress.state = "running"
        self._running.append(_Running(process, time.monotonic(), progress, log, status))
        process.start()

    def _finished(self) -> list[_Running]:
        """Wait a moment; the runs that have ended since, taken off the list."""
        ended = set(wait([one.process.sentinel for one in self._running], timeout=0.25))
        result = []
        for one in list(self._running):
            one.progress.seconds = time.monotonic() - one.began
            if one.process.sentinel in ended:
                one.process.join()
                self._running.remove(one)
                result.append(one)
            else:
                one.progress.text = _read(one.status).strip()
        return result

    def _skip(self, progress: dict[str, Progress]) -> None:
        """Mark what waits for a stage that failed or was skipped; the plan's order makes one pass enough."""
        for one in progress.values():
            lost = [need for need in sorted(one.stage.needs) if progress[need].state in ("failed", "skipped")]
            if one.state == "waiting" and lost:
                one.state, one.text = "skipped", f"needs {lost[0]}"


def tail(log: Path, lines: int) -> str:
    """The last lines of a log."""
    return "\n".join(_read(log).rstrip().splitlines()[-lines:])


def _conclude(one: _Running) -> None:
    text = _read(one.log)
    kind, _, name = one.progress.stage.name.partition("@")
    # train-derived and train-own say what train says.
    kind = kind.partition("-")[0]
    # `anamnesis.console.summary` writes this line.
    said = [line for line in text.splitlines() if line.startswith(f"{kind} {name}") and ": " in line]
    one.progress.text = said[-1].partition(": ")[2] if said else ""
    one.progress.code = one.process.exitcode
    if one.process.exitcode != 0:
        one.progress.state = "failed"
        wrong = [line for line in text.splitlines() if line.lower().startswith("error:")]
        one.progress.text = wrong[0] if wrong else f"exit code {one.process.exitcode}"
    else:
        one.progress.state = "cached" if "didn't change, skipping" in text or "is cached - skipping" in text else "done"


def _busy(one: _Running) -> bool:
    """DVC gave up on a lock before the stage's command ran, so trying again is safe and cheap."""
    return one.process.exitcode != 0 and any(sign in tail(one.log, 12) for sign in BUSY)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _alive(groups: list[int]) -> list[int]:
    """Those of the process groups that have a member which is not a zombie."""
    import psutil

    alive = set()
    for process in psutil.process_iter(["pid", "status"]):
        try:
            if process.info["status"] != psutil.STATUS_ZOMBIE:
                alive.add(os.getpgid(process.pid))
                alive.add(process.pid)
        except ProcessLookupError:
            continue
    return [group for group in groups if group in alive]


def _signal(groups: list[int], number: int) -> None:
    for group in groups:
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            # The process has not made its group yet.
            try:
                os.kill(group, number)
            except ProcessLookupError:
                continue


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does, so that there is one way to end."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handlers((signal.SIGTERM, signal.SIGHUP, signal.SIGINT), interrupt):
        yield


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Nothing interrupts the block: who presses Ctrl-C twice must not leave processes behind."""
    with _handlers((signal.SIGTERM, signal.SIGHUP, signal.SIGINT), signal.SIG_IGN):
        yield


@contextmanager
def _handlers(
    numbers: tuple[int, ...], handler: Callable[[int, FrameType | None], None] | signal.Handlers
) -> Iterator[None]:
    # What is ignored from the start, as SIGHUP is under nohup, stays ignored.
    old = {number: signal.signal(number, handler) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
    try:
        yield
    finally:
        for number, former in old.items():
            signal.signal(number, former)
