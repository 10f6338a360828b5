"""The interface between scheduler and executors: `submit(task)` starts a command and returns a future of its result."""

from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from anamnesis.project import LOGS

State = Literal["waiting", "running", "done", "cached", "failed", "skipped"]


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml, as DVC resolves it.

    Attributes:
        name: DVC's address, such as `train@sherlock-lstm`.
        needs: the stages of the plan whose outputs this stage reads.
        command: the shell command.
        up_to_date: whether the stage and every stage before it were up to date when the plan was made.
    """

    name: str
    needs: frozenset[str]
    command: str
    up_to_date: bool


@dataclass(frozen=True)
class Task:
    """The command of one stage, with everything a worker needs to run it.

    Attributes:
        name: the stage's address.
        command: the shell command.
        folder: the working directory of the command.
        root: the folder of the project or profile, in which the worker keeps the log and the status of the stage.
        key: a digest of the command, its dependencies and its parameters.
        outputs: the paths of the stage's outputs.
        environment: variables to set for the command.
    """

    name: str
    command: str
    folder: Path
    root: Path
    key: str
    outputs: tuple[str, ...]
    environment: dict[str, str]

    @property
    def log(self) -> Path:
        """The file for the standard output and error of the command."""
        return log_path(self.root, self.name)

    @property
    def status(self) -> Path:
        """The file to which the command writes its progress; see `anamnesis.console.progress`."""
        return self.log.with_suffix(".status")


@dataclass(frozen=True)
class Result:
    """The exit code of a task's command, and the seconds that it took."""

    code: int
    seconds: float


class Executor(Protocol):
    """Runs tasks. The scheduler never submits more than `slots` at once."""

    slots: int

    def submit(self, task: Task) -> "Future[Result]":
        """Start the task and return a future of its result."""

    def stop(self) -> None:
        """Stop all running tasks, and return when they have ended."""


def log_path(root: Path, name: str) -> Path:
    """The log of a stage."""
    return root / LOGS / f"{file_name(name)}.log"


def file_name(name: str) -> str:
    """A file name for a stage; the address of a stage in a subfolder's dvc.yaml contains slashes and a colon."""
    return name.replace("/", ".").replace(":", ".")
