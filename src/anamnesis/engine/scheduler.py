"""Runs the stages of a plan on an executor: ready stages in parallel, in the order of their dependencies."""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from anamnesis.engine import signals
from anamnesis.engine.executor import Executor, Result, Stage, State, Task
from anamnesis.errors import AnamnesisError

if TYPE_CHECKING:
    from anamnesis.engine.repository import Repository

REFRESH_SECONDS = 0.25


@dataclass
class Progress:
    """The state of one stage; `text` is the summary line of a finished stage, or the progress of a running one."""

    stage: Stage
    state: State = "waiting"
    seconds: float = 0.0
    text: str = ""
    code: int | None = None


@dataclass(frozen=True)
class _Running:
    task: Task
    progress: Progress
    start: float


@dataclass
class Scheduler:
    """Runs the stages of a plan.

    Attributes:
        repository: decides which stages must run, and records finished ones.
        executor: creates the executor; called before the first task.
        choose: chooses the stage that starts next, given the ready ones, the running ones and the number of slots.
        show: called with the progress of every stage after each change, and a few times a second.
    """

    repository: "Repository"
    executor: Callable[[], Executor]
    choose: Callable[[list[str], list[str], int], str]
    show: Callable[[list[Progress]], None] = lambda progress: None
    _running: "dict[Future[Result], _Running]" = field(default_factory=dict)

    def run(self, stages: list[Stage]) -> list[Progress]:
        """Run all stages that are not up to date. Stages that need a failed one are skipped, the others finish.

        Raises:
            KeyboardInterrupt: on Ctrl-C, SIGTERM or SIGHUP, after all started processes have ended.
        """
        progress = {stage.name: Progress(stage, "cached" if stage.up_to_date else "waiting") for stage in stages}
        shown = list(progress.values())
        executor: Executor | None = None
        with signals.interrupting():
            try:
                while any(each.state in ("waiting", "running") for each in shown):
                    executor = executor or self.executor()
                    self._start_ready(progress, executor)
                    self.show(shown)
                    for future in wait(self._running, REFRESH_SECONDS, FIRST_COMPLETED).done:
                        self._finish(self._running.pop(future), future.result())
                    self.repository.write()
                    for running in self._running.values():
                        running.progress.seconds = time.monotonic() - running.start
                        running.progress.text = _read(running.task.status).strip()
                self.show(shown)
                return shown
            finally:
                if executor is not None:
                    executor.stop()

    def _start_ready(self, progress: dict[str, Progress], executor: Executor) -> None:
        """Start ready stages until every slot is taken; a stage that the repository restores takes no slot."""
        self._skip_blocked(progress)
        waiting = [each for each in progress.values() if each.state == "waiting"]
        users: dict[str, list[Progress]] = {}
        for each in waiting:
            for need in each.stage.needs:
                users.setdefault(need, []).append(each)

        def is_ready(each: Progress) -> bool:
            return all(progress[need].state in ("done", "cached") for need in each.stage.needs)

        ready = {each.stage.name: each for each in waiting if is_ready(each)}
        while ready and len(self._running) < executor.slots and not any(future.done() for future in self._running):
            running = [each.task.name for each in self._running.values()]
            name = self.choose(list(ready), running, executor.slots)
            chosen = ready.pop(name)
            try:
                task = self.repository.prepare(name)
            except AnamnesisError as error:
                chosen.state, chosen.text, chosen.code = "failed", f"error: {error}", error.exit_code
                self._skip_blocked(progress)
                continue
            if task is None:
                chosen.state = "cached"
                ready |= {user.stage.name: user for user in users.get(name, []) if is_ready(user)}
                self.show(list(progress.values()))
                continue
            chosen.state = "running"
            self._running[executor.submit(task)] = _Running(task, chosen, time.monotonic())

    def _finish(self, running: _Running, result: Result) -> None:
        """Record a successful command, or keep the error message of a failed one."""
        task, progress = running.task, running.progress
        lines = _read(task.log).splitlines()
        progress.seconds, progress.code = result.seconds, result.code
        if result.code != 0:
            progress.state = "failed"
            errors = (line for line in lines if line.lower().startswith("error:"))
            progress.text = next(errors, f"exit code {result.code}")
            return
        try:
            self.repository.record(task.name)
        except AnamnesisError as error:
            progress.state, progress.text = "failed", f"error: {error}"
            return
        kind, _, name = task.name.partition("@")
        # `anamnesis.console.summary` writes this line; for train-dependent it begins with `train`.
        start = f"{kind.partition('-')[0]} {name}"
        summaries = [line for line in lines if line.startswith(start) and ": " in line]
        progress.text = summaries[-1].partition(": ")[2] if summaries else ""
        progress.state = "done"

    def _skip_blocked(self, progress: dict[str, Progress]) -> None:
        """Skip stages that need a failed or skipped one; one pass is enough, because needed stages come first."""
        for each in progress.values():
            lost = [need for need in sorted(each.stage.needs) if progress[need].state in ("failed", "skipped")]
            if each.state == "waiting" and lost:
                each.state, each.text = "skipped", f"needs {lost[0]}"


def read_tail(log: Path, lines: int) -> str:
    """The last lines of a log."""
    return "\n".join(_read(log).rstrip().splitlines()[-lines:])


def _read(path: Path) -> str:
    """The text of a file, empty if it is missing."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
