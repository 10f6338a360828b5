"""Locks that keep other engines and DVC commands out of a project while the engine runs."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from filelock import FileLock, Timeout

from anamnesis import files
from anamnesis.errors import AnamnesisError

if TYPE_CHECKING:
    from dvc.repo import Repo

ENGINE_LOCK = Path(".anamnesis/engine.lock")


@contextmanager
def engine_lock(root: Path) -> Iterator[None]:
    """Lock a project against other engines.

    Raises:
        AnamnesisError: another engine works in the project.
    """
    path = root / ENGINE_LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise _busy_error(root, path.with_suffix(".pid")) from None
    try:
        files.write_text(path.with_suffix(".pid"), f"{os.getpid()}\n")
        yield
    finally:
        path.with_suffix(".pid").unlink(missing_ok=True)
        lock.release()


@contextmanager
def dvc_lock(root: Path, repo: "Repo") -> Iterator[None]:
    """Lock a project against DVC commands.

    Raises:
        AnamnesisError: a DVC command holds the lock.
    """
    from dvc.lock import LockError

    try:
        repo.lock.lock()
    except LockError:
        # DVC's lock file contains the id of the process.
        raise _busy_error(root, Path(repo.tmp_dir) / "lock") from None
    try:
        yield
    finally:
        repo.lock.unlock()


@contextmanager
def no_path_locks(path: Path) -> Iterator[None]:
    """Switch off DVC's locks of single paths, while the whole repository is locked.

    DVC rewrites the file of these locks in place for each stage, and every DVC command fails if a kill leaves half of
    it. Such a file of an earlier kill is removed.
    """
    import dvc.rwlock

    try:
        json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        pass
    except ValueError:
        path.unlink()
    original = dvc.rwlock.rwlock
    dvc.rwlock.rwlock = lambda *_: nullcontext()
    try:
        yield
    finally:
        dvc.rwlock.rwlock = original


def _busy_error(root: Path, path: Path) -> AnamnesisError:
    """An error that names the process whose id is in a file."""
    try:
        owner = _describe(int(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        owner = "another process"
    return AnamnesisError(f"{owner} is at work in {root}; wait until it has ended, or stop it")


def _describe(pid: int) -> str:
    """'process PID (COMMAND)', or 'process PID' if the command is unknown."""
    try:
        command = " ".join(" ".join(psutil.Process(pid).cmdline()).split())
        return f"process {pid} ({command[:80]})"
    except psutil.Error:
        return f"process {pid}"


def check_running(root: Path, path: Path) -> None:
    """Raise an error if a DVC command runs a stage: it releases the lock of the repository meanwhile."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        owners = [
            *content.get("write", {}).values(),
            *(reader for readers in content.get("read", {}).values() for reader in readers),
        ]
        alive = [owner for owner in owners if owner and _is_older(int(owner["pid"]), path.stat().st_mtime)]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return
    if alive:
        process = _describe(int(alive[0]["pid"]))
        raise AnamnesisError(f"{process} runs a stage of {root}; wait until it has ended, or stop it")


def _is_older(pid: int, moment: float) -> bool:
    """Whether a process is alive and older than `moment`; a younger one has reused the id."""
    try:
        return bool(psutil.Process(pid).create_time() <= moment)
    except psutil.Error:
        return False
