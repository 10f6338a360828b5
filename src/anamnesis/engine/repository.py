"""DVC's bookkeeping in one place: what is up to date, what the run cache has, and what a finished stage leaves.

The repository is loaded once, and its lock is held until the run ends. Every decision and every hash is DVC's own, so
that a plain `dvc repro` afterwards finds nothing to do.
"""

import json
import logging
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from filelock import FileLock, Timeout

from anamnesis import files
from anamnesis.engine import finished, lockfile
from anamnesis.engine.executor import Stage, Task
from anamnesis.engine.lockfile import LockFile
from anamnesis.errors import AnamnesisError
from anamnesis.project import home

if TYPE_CHECKING:
    from dvc.dependency import ParamsDependency
    from dvc.output import Output
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

HEAD = Path(".anamnesis/engine.lock")
# DVC's other commands wait for the lock file; a stage that is lost with it comes back from the run cache.
WRITE_SECONDS = 3.0


class Repository:
    """The stages of a project, or of one of its profiles, as DVC sees them; see `open_repository`.

    A stage of that dvc.yaml goes by its name there; a stage of another file by DVC's address, which has the file in it.
    """

    def __init__(self, root: Path, repo: "Repo") -> None:
        self.root = root
        self._repo = repo
        self._stages: dict[str, PipelineStage] = {}
        self._locks: dict[str, LockFile] = {}
        self._plan: list[str] = []
        self._hashes: dict[str, Any] = {}
        self._written = time.monotonic()
        self._contents: dict[str, tuple[tuple[int, int, int], Any]] = {}

    def plan(self, targets: list[str]) -> list[Stage]:
        """The stages that `dvc repro TARGETS` would go through, in its order.

        Args:
            targets: names of stages; empty: all of dvc.yaml.
        """
        from dvc.repo.reproduce import get_active_graph, plan_repro

        contents: dict[str, dict[str, Any]] = {}
        with lockfile.loading(self.root / lockfile.STATE, contents):
            stages = self._repo.index.stages
        for stage in stages:
            for dependency in stage.params:
                dependency.read_params = partial(self._read_params, dependency)
        graph = get_active_graph(self._repo.index.graph)
        file = self.root / "dvc.yaml"
        own = [stage for stage in stages if Path(stage.path) == file]
        if unknown := set(targets) - {stage.name for stage in own}:
            raise AnamnesisError(f"dvc.yaml has no stage {min(unknown)!r}, although params.yaml asks for it")
        wanted = [stage for stage in own if not targets or stage.name in targets]
        steps = plan_repro(graph, wanted)
        sweep([output.fs_path for step in steps for output in step.outs])
        names = {step: step.name if Path(step.path) == file else step.addressing for step in steps}
        self._stages = {name: step for step, name in names.items()}
        self._plan = [step.name for step in steps]
        for path in {Path(step.path).with_suffix(".lock") for step in steps}:
            state = lockfile.state_folder(self.root / lockfile.STATE, path)
            self._locks[str(path)] = LockFile(path, contents.get(str(path), {}), state)
        planned: dict[str, Stage] = {}
        for name, step in self._stages.items():
            needs = frozenset(names[other] for other in graph.successors(step) if other in names)
            current = all(planned[need].current for need in needs) and self._is_current(step)
            planned[name] = Stage(name, needs, _command(step), current)
            _forget_staged()
        self._hashes.clear()
        return list(planned.values())

    def prepare(self, name: str) -> Task | None:
        """Bring a stage up to date without running its command, or return the task that runs it.

        No task is needed if nothing has changed, if DVC's run cache restores the result, or if a killed engine had
        run the command to its end. The stage's dependencies must be up to date.

        Raises:
            AnamnesisError: a dependency is missing, or DVC cannot restore or remove an output.
        """
        from dvc.stage.cache import RunCacheNotFoundError
        from dvc_data.hashfile.hash_info import HashInfo

        stage = self._stages[name]
        _forget_staged()
        with _one_line():
            if not stage.changed():
                return None
            as_locked = not stage.changed_stage() and stage.deps_cached()
            stage.save_deps()
            if not as_locked:
                # DVC would take these for the outputs of the dependencies just saved.
                for output in stage.outs:
                    output.hash_info, output.obj = HashInfo(), None
            task = self._task(name, stage)
            if finished.is_noted(self.root, name, task.key, task.outputs):
                self._record(stage)
                finished.forget(self.root, name)
                return None
            stage.remove_outs(ignore_remove=False, force=False)
            try:
                self._repo.stage_cache.restore(stage)
            except RunCacheNotFoundError:
                finished.forget(self.root, name)
                return task
            stage.save_outs()
            self._enter(stage)
            return None

    def record(self, name: str) -> None:
        """Record that a stage's command has ended well: outputs go to the cache, then the run cache and the lock file.

        Raises:
            AnamnesisError: an output is missing, or a dependency was changed while the command ran.
        """
        stage = self._stages[name]
        _forget_staged()
        with _one_line():
            changed = [str(dependency) for dependency in stage.deps if dependency.status()]
            if changed:
                raise AnamnesisError(f"{changed[0]} was changed while {name} ran; run again")
            self._record(stage)
        finished.forget(self.root, name)

    def write(self, *, now: bool = False) -> None:
        """Store what was recorded in dvc.lock, at most every few seconds unless it must be now."""
        if now or time.monotonic() - self._written > WRITE_SECONDS:
            for lock in self._locks.values():
                lock.write(self._plan)
            self._written = time.monotonic()

    def close(self, *, well: bool) -> None:
        """Write the lock file; if the run has ended well, an interruption before it counts no more."""
        self.write(now=True)
        for lock in self._locks.values():
            lock.close(well=well)

    def _record(self, stage: "PipelineStage") -> None:
        stage.save_outs()
        stage.commit()
        self._enter(stage)
        self._repo.stage_cache.save(stage)

    def _enter(self, stage: "PipelineStage") -> None:
        from dvc.stage.serialize import to_lockfile

        stage.cmd_changed = False
        entry = to_lockfile(stage)[stage.name]
        self._locks[str(Path(stage.path).with_suffix(".lock"))].set(stage.name, entry)

    def _task(self, name: str, stage: "PipelineStage") -> Task:
        from dvc.stage.serialize import to_single_stage_lockfile

        entry = to_single_stage_lockfile(stage)
        entry.pop("outs", None)
        outputs = tuple(sorted(output.fs_path for output in stage.outs))
        key = files.digest(json.dumps(entry, sort_keys=True, default=str), *outputs)
        environment = {"DVC_ROOT": self._repo.root_dir, "DVC_STAGE": stage.addressing}
        return Task(name, _command(stage), Path(stage.wdir), self.root, key, outputs, environment)

    def _is_current(self, stage: "PipelineStage") -> bool:
        """As `not stage.changed()`, with the hash of each path computed once for all stages."""
        return not (
            stage.is_callback
            or stage.always_changed
            or stage.changed_stage()
            or (not stage.frozen and any(self._differs(dependency) for dependency in stage.deps))
            or any(output.changed_cache() or self._differs(output) for output in stage.outs if output.use_cache)
            or any(output.status() for output in stage.outs if not output.use_cache)
        )

    def _differs(self, item: "Output") -> bool:
        """Whether a dependency or output is not what dvc.lock says."""
        from dvc.dependency import ParamsDependency

        if isinstance(item, ParamsDependency) or item.protocol != "local":
            return bool(item.status())
        if not item.hash_info:
            return True
        key = f"{item.hash_name} {item.fs_path}"
        if key not in self._hashes:
            try:
                self._hashes[key] = item.get_hash() if item.exists else None
            except FileNotFoundError:
                self._hashes[key] = None
        return bool(self._hashes[key] != item.hash_info)

    def _read_params(self, dependency: "ParamsDependency", flatten: bool = True, **_: Any) -> dict[str, Any]:
        """As DVC's method, which parses the file anew for each stage; here it is parsed when it has changed."""
        from dvc.utils.serialize import load_path

        path = Path(dependency.fs_path)
        try:
            status = path.stat()
        except FileNotFoundError:
            return {}
        signature = status.st_mtime_ns, status.st_size, status.st_ino
        if self._contents.get(str(path), (None,))[0] != signature:
            self._contents[str(path)] = signature, load_path(str(path), dependency.repo.fs)
        content = self._contents[str(path)][1]
        if not dependency.params:
            return dict(content)
        return {key: value for key in dependency.params for value in _select(content, key.split("."))}


def sweep(outputs: list[str]) -> None:
    """Remove half-written outputs that a kill -9 has left, before a stage reads the folder they are in.

    Their names are those of DVC's temporary files, and of `files.new_folder` and `files.write_bytes`.

    Args:
        outputs: the paths of outputs that nobody writes now.
    """
    names: dict[Path, set[str]] = {}
    for output in map(Path, outputs):
        names.setdefault(output.parent, set()).add(output.name)
    for folder, known in names.items():
        for path in folder.glob(".*"):
            own = re.fullmatch(r"\.(.+)\.[a-z0-9_]{8}", path.name)
            if re.fullmatch(r"\.[A-Za-z0-9_-]{22}\.tmp", path.name) or (own and own[1] in known):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


@contextmanager
def open_repository(root: Path) -> Iterator[Repository]:
    """The repository of a project, locked against other engines and other DVC commands until the block ends.

    Args:
        root: the folder of the project, or of the profile whose stages are wanted.

    Raises:
        AnamnesisError: another process is at work in the project, or DVC cannot read it; one line says why.
    """
    root = root.resolve()
    top = home(root)
    with _alone(top), _one_line():
        from dvc.repo import Repo

        # The display says what happens.
        logging.getLogger("dvc").setLevel(logging.ERROR)
        with Repo(str(top)) as repo:
            paths = Path(repo.tmp_dir) / "rwlock"
            _check_running(top, paths)
            with _dvc_lock(top, repo), _no_path_locks(paths), repo.scm_context(quiet=True):
                yield Repository(root, repo)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    path = root / HEAD
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise _busy(root, path.with_suffix(".pid")) from None
    try:
        files.write_text(path.with_suffix(".pid"), f"{psutil.Process().pid}\n")
        yield
    finally:
        path.with_suffix(".pid").unlink(missing_ok=True)
        lock.release()


@contextmanager
def _dvc_lock(root: Path, repo: "Repo") -> Iterator[None]:
    from dvc.lock import LockError

    try:
        repo.lock.lock()
    except LockError:
        # DVC's lock file holds the number of the process.
        raise _busy(root, Path(repo.tmp_dir) / "lock") from None
    try:
        yield
    finally:
        repo.lock.unlock()


@contextmanager
def _no_path_locks(path: Path) -> Iterator[None]:
    """Keep DVC from locking single paths while the whole repository is locked.

    DVC rewrites the file of these locks in place, for each step of each stage: a kill -9 can leave half of it, which no
    DVC command reads. Half a file that another kill has left is removed.
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


def _busy(root: Path, path: Path) -> AnamnesisError:
    """The error that names the process whose number a file holds."""
    try:
        owner = describe_process(int(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        owner = "another process"
    return AnamnesisError(f"{owner} is at work in {root}; wait until it has ended, or stop it")


def describe_process(pid: int) -> str:
    """'process PID (COMMAND)', as far as it can be told."""
    try:
        command = " ".join(" ".join(psutil.Process(pid).cmdline()).split())
        return f"process {pid} ({command[:80]})"
    except psutil.Error:
        return f"process {pid}"


def _check_running(root: Path, path: Path) -> None:
    """Refuse to start beside a DVC command that runs a stage: it holds no lock then, but this file names it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        owners = [
            *content.get("write", {}).values(),
            *(one for many in content.get("read", {}).values() for one in many),
        ]
        alive = [owner for owner in owners if owner and _is_older(int(owner["pid"]), path.stat().st_mtime)]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return
    if alive:
        what = describe_process(int(alive[0]["pid"]))
        raise AnamnesisError(f"{what} runs a stage of {root}; wait until it has ended, or stop it")


def _is_older(pid: int, moment: float) -> bool:
    """Whether a process is alive and older than `moment`; a younger process has only inherited the number."""
    try:
        return bool(psutil.Process(pid).create_time() <= moment)
    except psutil.Error:
        return False


@contextmanager
def _one_line() -> Iterator[None]:
    """Turn what DVC raises into one line."""
    from dvc.exceptions import DvcException

    try:
        yield
    except DvcException as error:
        raise AnamnesisError(f"DVC: {' '.join(str(error).split())}") from None


def _forget_staged() -> None:
    """Forget the folders that DVC has hashed: it keeps them in memory, and goes through all of them for each one."""
    from fsspec.implementations.memory import MemoryFileSystem

    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def _command(stage: "PipelineStage") -> str:
    commands = stage.cmd
    return "\n".join(commands) if isinstance(commands, list) else str(commands or "")


def _select(content: Any, keys: list[str]) -> list[Any]:
    """The value below nested keys, in a list; an empty list if it is not there."""
    for key in keys:
        if isinstance(content, Mapping) and key in content:
            content = content[key]
        elif isinstance(content, list) and key.isdecimal() and int(key) < len(content):
            content = content[int(key)]
        else:
            return []
    return [content]
