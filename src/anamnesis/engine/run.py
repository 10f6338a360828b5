"""One run of the pipeline: plan it, say what it will do, run it, say what it did."""

import os
import re
import sys
import time
from collections import Counter
from pathlib import Path

from rich.console import Console

from anamnesis import params
from anamnesis.console import printable
from anamnesis.engine import estimate, removed
from anamnesis.engine.display import clock, display
from anamnesis.engine.executor import Executor, Stage, log_path
from anamnesis.engine.scheduler import Progress, Scheduler, tail
from anamnesis.engine.targets import targets_of
from anamnesis.errors import AnamnesisError
from anamnesis.project import LOGS, home

# One thread a stage: two stages of one thread beat one stage of two, and two of two are far worse.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "RAYON_NUM_THREADS")
# What the stages of each kind do, of one stage and of several.
KINDS = {
    "fetch": ("corpus to fetch", "corpora to fetch"),
    "tokenize": ("corpus to tokenize", "corpora to tokenize"),
    "train": ("model to train", "models to train"),
    "evaluate": ("model to evaluate", "models to evaluate"),
    "": ("other stage", "other stages"),
}


def cores() -> int:
    """How many of this machine's cores may be used."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def repro(root: Path, names: list[str], jobs: int, console: Console) -> bool:
    """Bring the pipeline up to date, as `dvc repro` would, with up to `jobs` stages at once.

    Args:
        root: the folder of the project or of a profile; the project's becomes the working directory.
        names: stages, experiments, token stores or corpora to bring up to date, with all they need; empty: everything.

    Returns:
        Whether anything had to run.

    Raises:
        ParamsError: params.yaml is not valid, or a name refers to nothing.
        AnamnesisError: another process is at work in the project; or a stage failed, after the others have finished,
            and the end of its log has been printed.
        KeyboardInterrupt: stopped, after everything that was started has ended.
    """
    root = root.resolve()
    os.chdir(home(root))
    start = time.monotonic()
    settings = params.load(root / params.PARAMS)
    targets = targets_of(names, settings)
    _set_environment(root)
    # DVC takes a second to import, which an error in params.yaml need not wait for.
    from anamnesis.engine.repository import open_repository

    with open_repository(root) as repository:
        reads_folders = not names or {"compare", "register"} & set(targets)
        if reads_folders and (line := removed.move_leftovers(root, settings.experiments)):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        stages = repository.plan(targets)
        if all(stage.current for stage in stages):
            repository.close(well=not names)
            console.print(f"Nothing to do: all {len(stages)} stages are up to date.", highlight=False)
            return False
        seconds = estimate.estimate(stages, settings, root)
        order = estimate.order(stages, seconds)
        console.print(announce(stages, estimate.total(seconds, order, jobs), jobs), highlight=False, soft_wrap=True)
        well = False
        try:
            with display(console, root) as show:
                scheduler = Scheduler(repository, lambda: _executor(stages, jobs), order, show)
                progress = scheduler.run(stages)
            estimate.keep(root, progress)
            failed = [one for one in progress if one.state == "failed"]
            well = not failed and not names
        finally:
            repository.close(well=well)
    if failed:
        _report(console, root, failed)
        logs = (root / LOGS).relative_to(home(root))
        names_of = ", ".join(one.stage.name for one in failed)
        raise AnamnesisError(f"{len(failed)} of {len(stages)} stages failed: {names_of}; logs are in {logs}")
    file = (root / "dvc.yaml").relative_to(home(root))
    command = "dvc repro" if file.name == str(file) else f"dvc repro {file}"
    ran = sum(one.state == "done" for one in progress)
    console.print(
        f"{ran} stages ran, {len(stages) - ran} came from the cache or were up to date: "
        f"{clock(time.monotonic() - start)}; a plain `{command}` finds nothing left to do.",
        highlight=False,
        soft_wrap=True,
    )
    return True


def announce(stages: list[Stage], seconds: float, jobs: int) -> str:
    """What a run will do, in one line, and how long it may take."""
    kinds = [re.match("[a-z]*", stage.name.rpartition(":")[2])[0] for stage in stages if not stage.current]  # type: ignore[index]
    counts = Counter(kind if kind in KINDS else "" for kind in kinds)
    work = [f"{counts[kind]} {names[counts[kind] > 1]}" for kind, names in KINDS.items() if counts[kind]]
    minutes = f"{seconds / 60:.0f} minutes" if seconds > 90 else "a minute" if seconds > 20 else "some seconds"
    return f"{', '.join(work)}: about {minutes}, {jobs} at once. Ctrl-C stops it; run it again to go on."


def _executor(stages: list[Stage], jobs: int) -> Executor:
    from anamnesis.engine.local import LocalExecutor

    return LocalExecutor(max(jobs, 1), warm=any(stage.command.startswith("python ") for stage in stages))


def _set_environment(root: Path) -> None:
    """What stages inherit: this Python first on the path, one thread each, no telemetry, a quiet MLflow."""
    from anamnesis.tracking import store

    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    os.environ["DVC_NO_ANALYTICS"] = "1"
    for name in THREADS:
        os.environ[name] = "1"
    store.set_environment(root)


def _report(console: Console, root: Path, failed: list[Progress]) -> None:
    for one in failed:
        log = log_path(root, one.stage.name)
        if one.code is None or not log.exists():
            console.print(f"\n{one.stage.name} failed: {one.text}", style="bold red", highlight=False, soft_wrap=True)
            continue
        console.print(
            f"\n{one.stage.name} failed. The end of {log.relative_to(home(root))}:",
            style="bold red",
            highlight=False,
            soft_wrap=True,
        )
        console.print(printable(tail(log, 20)), markup=False, highlight=False, soft_wrap=True)
    console.print()
