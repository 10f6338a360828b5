"""DVC's records for the engine: finds the stages to run, restores results from the run cache, records finished stages.

The repository is loaded once, and its lock is held until the run ends. DVC's own code makes every decision and computes
every hash, so that a plain `dvc repro` afterwards finds nothing to do.
"""

import json
import logging
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anamnesis import files
from anamnesis.engine import completion, lockfile, locks
from anamnesis.engine.executor import Stage, Task
from anamnesis.engine.lockfile import LockFile
from anamnesis.errors import AnamnesisError
from anamnesis.project import home

if TYPE_CHECKING:
    from dvc.dependency import ParamsDependency
    from dvc.output import Output
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

# Writing dvc.lock for every stage would be slow. After a crash, the run cache restores stages that it lacks.
WRITE_SECONDS = 3.0


class Repository:
    """The stages of a project, or of one of its profiles, in DVC's records; see `open_repository`.

    A stage has its name in the dvc.yaml of `root`; a stage of another dvc.yaml has DVC's address, such as
    `profiles/seed/dvc.yaml:compare`.
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
        """The stages that `dvc repro TARGETS` would visit, in its order.

        Args:
            targets: names of stages; empty: all of dvc.yaml.

        Raises:
            AnamnesisError: dvc.yaml has no stage of such a name.
        """
        from dvc.repo.reproduce import get_active_graph, plan_repro

        contents: dict[str, dict[str, Any]] = {}
        with lockfile.fast_loading(self.root / lockfile.STATE, contents):
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
        remove_partial_outputs([output.fs_path for step in steps for output in step.outs])
        names = {step: step.name if Path(step.path) == file else step.addressing for step in steps}
        self._stages = {name: step for step, name in names.items()}
        self._plan = [step.name for step in steps]
        for path in {Path(step.path).with_suffix(".lock") for step in steps}:
            state = lockfile.state_folder(self.root / lockfile.STATE, path)
            self._locks[str(path)] = LockFile(path, contents.get(str(path), {}), state)
        planned: dict[str, Stage] = {}
        for name, step in self._stages.items():
            needs = frozenset(names[other] for other in graph.successors(step) if other in names)
            up_to_date = all(planned[need].up_to_date for need in needs) and self._is_up_to_date(step)
            planned[name] = Stage(name, needs, _command(step), up_to_date)
            _clear_hashed_folders()
        self._hashes.clear()
        return list(planned.values())

    def prepare(self, name: str) -> Task | None:
        """Bring a stage up to date without running its command, or return the task that runs it.

        No task is needed if nothing has changed, if DVC's run cache restores the result, or if the command succeeded
        before the engine was killed. The stage's dependencies must be up to date.

        Raises:
            AnamnesisError: a dependency is missing, or DVC cannot restore or remove an output.
        """
        from dvc.stage.cache import RunCacheNotFoundError
        from dvc_data.hashfile.hash_info import HashInfo

        stage = self._stages[name]
        _clear_hashed_folders()
        with _dvc_errors():
            if not stage.changed():
                return None
            as_locked = not stage.changed_stage() and stage.deps_cached()
            stage.save_deps()
            if not as_locked:
                # The hashes in dvc.lock belong to other dependencies than those just saved.
                for output in stage.outs:
                    output.hash_info, output.obj = HashInfo(), None
            task = self._task(name, stage)
            if completion.is_marked(self.root, name, task.key, task.outputs):
                self._record(stage)
                completion.unmark(self.root, name)
                return None
            stage.remove_outs(ignore_remove=False, force=False)
            try:
                self._repo.stage_cache.restore(stage)
            except RunCacheNotFoundError:
                completion.unmark(self.root, name)
                return task
            stage.save_outs()
            self._set_lock_entry(stage)
            return None

    def record(self, name: str) -> None:
        """Record a stage whose command has succeeded: save the outputs in the cache, the run cache and the lock file.

        Raises:
            AnamnesisError: an output is missing, or a dependency was changed while the command ran.
        """
        stage = self._stages[name]
        _clear_hashed_folders()
        with _dvc_errors():
            changed = [str(dependency) for dependency in stage.deps if dependency.status()]
            if changed:
                raise AnamnesisError(f"{changed[0]} was changed while {name} ran; run again")
            self._record(stage)
        completion.unmark(self.root, name)

    def write(self, *, now: bool = False) -> None:
        """Write dvc.lock if the last write was some seconds ago, or if `now`."""
        if now or time.monotonic() - self._written > WRITE_SECONDS:
            for lock in self._locks.values():
                lock.write(self._plan)
            self._written = time.monotonic()

    def close(self, *, complete: bool) -> None:
        """Write dvc.lock. After a complete run, forget the order of stages before an interrupted one."""
        self.write(now=True)
        for lock in self._locks.values():
            lock.close(complete=complete)

    def _record(self, stage: "PipelineStage") -> None:
        stage.save_outs()
        stage.commit()
        self._set_lock_entry(stage)
        self._repo.stage_cache.save(stage)

    def _set_lock_entry(self, stage: "PipelineStage") -> None:
        from dvc.stage.serialize import to_lockfile

        stage.cmd_changed = False
        entry = to_lockfile(stage)[stage.name]
        self._locks[str(Path(stage.path).with_suffix(".lock"))].set_entry(stage.name, entry)

    def _task(self, name: str, stage: "PipelineStage") -> Task:
        from dvc.stage.serialize import to_single_stage_lockfile

        entry = to_single_stage_lockfile(stage)
        entry.pop("outs", None)
        outputs = tuple(sorted(output.fs_path for output in stage.outs))
        key = files.digest(json.dumps(entry, sort_keys=True, default=str), *outputs)
        environment = {"DVC_ROOT": self._repo.root_dir, "DVC_STAGE": stage.addressing}
        return Task(name, _command(stage), Path(stage.wdir), self.root, key, outputs, environment)

    def _is_up_to_date(self, stage: "PipelineStage") -> bool:
        """Like `not stage.changed()`, but hashes each path once for all stages."""
        return not (
            stage.is_callback
            or stage.always_changed
            or stage.changed_stage()
            or (not stage.frozen and any(self._differs(dependency) for dependency in stage.deps))
            or any(output.changed_cache() or self._differs(output) for output in stage.outs if output.use_cache)
            or any(output.status() for output in stage.outs if not output.use_cache)
        )

    def _differs(self, item: "Output") -> bool:
        """Whether the hash of a dependency or output differs from dvc.lock."""
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
        """Like DVC's method, but parses the file only when it has changed, not for each stage."""
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


def remove_partial_outputs(outputs: list[str]) -> None:
    """Remove temporary files that a killed process left beside the outputs, before a stage reads the folder.

    They have the names of DVC's temporary files, or of those of `anamnesis.files`.

    Args:
        outputs: the paths of outputs; no process writes to them now.
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
    """The repository of a project, locked against other engines and DVC commands until the block ends.

    Args:
        root: the folder of the project, or of the profile whose stages to run.

    Raises:
        AnamnesisError: another process works in the project, or DVC cannot read it.
    """
    root = root.resolve()
    top = home(root)
    with locks.engine_lock(top), _dvc_errors():
        from dvc.repo import Repo

        # The engine's display replaces DVC's messages.
        logging.getLogger("dvc").setLevel(logging.ERROR)
        with Repo(str(top)) as repo:
            paths = Path(repo.tmp_dir) / "rwlock"
            locks.check_running(top, paths)
            with locks.dvc_lock(top, repo), locks.no_path_locks(paths), repo.scm_context(quiet=True):
                yield Repository(root, repo)


@contextmanager
def _dvc_errors() -> Iterator[None]:
    """Convert DVC's exceptions to errors of one line."""
    from dvc.exceptions import DvcException

    try:
        yield
    except DvcException as error:
        raise AnamnesisError(f"DVC: {' '.join(str(error).split())}") from None


def _clear_hashed_folders() -> None:
    """Clear DVC's listings of hashed folders: it keeps them in memory, and searches all of them for each new one."""
    from fsspec.implementations.memory import MemoryFileSystem

    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def _command(stage: "PipelineStage") -> str:
    commands = stage.cmd
    return "\n".join(commands) if isinstance(commands, list) else str(commands or "")


def _select(content: Any, keys: list[str]) -> list[Any]:
    """The value under nested keys, as a list of one; an empty list if a key is missing."""
    for key in keys:
        if isinstance(content, Mapping) and key in content:
            content = content[key]
        elif isinstance(content, list) and key.isdecimal() and int(key) < len(content):
            content = content[int(key)]
        else:
            return []
    return [content]
