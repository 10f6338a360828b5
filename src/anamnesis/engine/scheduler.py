"""Ready stages side by side, in dependency order, on an executor; and the end of all of them."""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from anamnesis.engine import signals
from anamnesis.engine.executor import Executor, Result, Stage, State, Task
from anamnesis.errors import AnamnesisError

REFRESH_SECONDS = 0.25


@dataclass
class Progress:
    """Where one stage is; `text` is the summary line of a finished stage, or how far a running one says it is."""

    stage: Stage
    state: State = "waiting"
    seconds: float = 0.0
    text: str = ""
    code: int | None = None


class Bookkeeping(Protocol):
    """What the scheduler asks of the repository; `anamnesis.engine.repository.Repository` says what each means."""

    def prepare(self, name: str) -> Task | None: ...

    def record(self, name: str) -> None: ...

    def write(self) -> None: ...


class Order(Protocol):
    """The order in which ready stages start."""

    def choose(self, ready: list[str], running: list[str], slots: int) -> str:
        """The stage of `ready` to start next, beside `running`."""


@dataclass(frozen=True)
class _Running:
    task: Task
    progress: Progress
    start: float


@dataclass
class Scheduler:
    """Runs the stages of a plan.

    Attributes:
        repository: decides what must run, and records what has run.
        executor: starts the executor that runs tasks; called before the first task.
        order: chooses which of the ready stages starts next.
        show: called with the progress of every stage some times a second, and when anything has changed.
    """

    repository: Bookkeeping
    executor: Callable[[], Executor]
    order: Order
    show: Callable[[list[Progress]], None] = lambda progress: None
    _running: "dict[Future[Result], _Running]" = field(default_factory=dict)

    def run(self, stages: list[Stage]) -> list[Progress]:
        """Run all that is not current; a stage after a failed one is skipped, the others finish.

        Raises:
            KeyboardInterrupt: on Ctrl-C, SIGTERM or SIGHUP, after every process that was started has ended.
        """
        progress = {stage.name: Progress(stage, "cached" if stage.current else "waiting") for stage in stages}
        shown = list(progress.values())
        executor: Executor | None = None
        with signals.interrupting():
            try:
                while any(one.state in ("waiting", "running") for one in shown):
                    executor = executor or self.executor()
                    self._start_ready(progress, executor)
                    self.show(shown)
                    for future in wait(self._running, REFRESH_SECONDS, FIRST_COMPLETED).done:
                        self._conclude(self._running.pop(future), future.result())
                    self.repository.write()
                    for one in self._running.values():
                        one.progress.seconds = time.monotonic() - one.start
                        one.progress.text = _read(one.task.status).strip()
                self.show(shown)
                return shown
            finally:
                if executor is not None:
                    executor.stop()

    def _start_ready(self, progress: dict[str, Progress], executor: Executor) -> None:
        """Start ready stages until every slot is taken; stages that need no run are finished on the way."""
        shown = list(progress.values())
        self._skip(progress)
        ready = {
            name: one
            for name, one in progress.items()
            if one.state == "waiting" and all(progress[need].state in ("done", "cached") for need in one.stage.needs)
        }
        users: dict[str, list[Progress]] = {}
        for one in shown:
            if one.state == "waiting":
                for need in one.stage.needs:
                    users.setdefault(need, []).append(one)
        while ready and len(self._running) < executor.slots and not any(future.done() for future in self._running):
            running = [one.task.name for one in self._running.values()]
            name = self.order.choose(list(ready), running, executor.slots)
            one = ready.pop(name)
            try:
                task = self.repository.prepare(name)
            except AnamnesisError as error:
                one.state, one.text, one.code = "failed", f"error: {error}", error.exit_code
                self._skip(progress)
                continue
            if task is None:
                one.state = "cached"
                for user in users.get(name, []):
                    if all(progress[need].state in ("done", "cached") for need in user.stage.needs):
                        ready[user.stage.name] = user
                self.show(shown)
                continue
            one.state = "running"
            self._running[executor.submit(task)] = _Running(task, one, time.monotonic())

    def _conclude(self, one: _Running, result: Result) -> None:
        """Record a successful command, or describe the failure."""
        text = _read(one.task.log)
        one.progress.seconds, one.progress.code = result.seconds, result.code
        if result.code != 0:
            one.progress.state = "failed"
            wrong = [line for line in text.splitlines() if line.lower().startswith("error:")]
            one.progress.text = wrong[0] if wrong else f"exit code {result.code}"
            return
        try:
            self.repository.record(one.task.name)
        except AnamnesisError as error:
            one.progress.state, one.progress.text = "failed", f"error: {error}"
            return
        kind, _, name = one.task.name.partition("@")
        # `anamnesis.console.summary` writes this line; the line of train-dependent begins with `train`, too.
        said = [
            line for line in text.splitlines() if line.startswith(f"{kind.partition('-')[0]} {name}") and ": " in line
        ]
        one.progress.text = said[-1].partition(": ")[2] if said else ""
        one.progress.state = "done"

    def _skip(self, progress: dict[str, Progress]) -> None:
        """Mark what waits for a stage that failed or was skipped; the plan's order makes one pass enough."""
        for one in progress.values():
            lost = [need for need in sorted(one.stage.needs) if progress[need].state in ("failed", "skipped")]
            if one.state == "waiting" and lost:
                one.state, one.text = "skipped", f"needs {lost[0]}"


def tail(log: Path, lines: int) -> str:
    """The last lines of a log."""
    return "\n".join(_read(log).rstrip().splitlines()[-lines:])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
