"""One run of the pipeline: plan it, print the plan, run it, print the result."""

import os
import re
import sys
import time
from collections import Counter
from pathlib import Path

from rich.console import Console

from anamnesis import params
from anamnesis.console import printable
from anamnesis.engine import estimate, leftovers
from anamnesis.engine.display import format_time, open_display
from anamnesis.engine.executor import Executor, Stage, log_path
from anamnesis.engine.scheduler import Progress, Scheduler, read_tail
from anamnesis.engine.targets import resolve_targets
from anamnesis.errors import AnamnesisError
from anamnesis.project import LOGS, home

# Each stage gets one thread: two stages with one thread each are faster than one stage with two.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "RAYON_NUM_THREADS")
# The work of one stage of each kind, and of several.
KINDS = {
    "fetch": ("corpus to fetch", "corpora to fetch"),
    "tokenize": ("corpus to tokenize", "corpora to tokenize"),
    "train": ("model to train", "models to train"),
    "evaluate": ("model to evaluate", "models to evaluate"),
    "": ("other stage", "other stages"),
}


def count_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def repro(root: Path, names: list[str], jobs: int, console: Console) -> bool:
    """Bring the pipeline up to date, as `dvc repro` would, with up to `jobs` stages at once.

    Args:
        root: the folder of the project or of a profile; the project's becomes the working directory.
        names: stages, experiments, token stores or corpora to bring up to date with their dependencies; empty:
            everything.

    Returns:
        Whether any stage was out of date.

    Raises:
        ParamsError: params.yaml is not valid, or there is no stage or experiment of a name.
        AnamnesisError: another process works in the project; or a stage failed. The other stages have finished then,
            and the end of its log has been printed.
        KeyboardInterrupt: on Ctrl-C, SIGTERM or SIGHUP, after all started processes have ended.
    """
    root = root.resolve()
    os.chdir(home(root))
    start = time.monotonic()
    settings = params.load(root / params.PARAMS)
    targets = resolve_targets(names, settings)
    _set_environment(root)
    # Importing DVC takes a second; errors in params.yaml come before that.
    from anamnesis.engine.repository import open_repository

    with open_repository(root) as repository:
        reads_folders = not names or {"compare", "register"} & set(targets)
        if reads_folders and (line := leftovers.move_leftovers(root, settings.experiments)):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        stages = repository.plan(targets)
        if all(stage.up_to_date for stage in stages):
            repository.close(complete=not names)
            console.print(f"Nothing to do: all {len(stages)} stages are up to date.", highlight=False)
            return False
        seconds = estimate.estimate_stages(stages, settings, root)
        order = estimate.plan_order(stages, seconds)
        total = estimate.estimate_run(seconds, order, jobs)
        console.print(describe_plan(stages, total, jobs), highlight=False, soft_wrap=True)
        complete = False
        try:
            with open_display(console, root) as show:
                scheduler = Scheduler(repository, lambda: _executor(stages, jobs), order.choose, show)
                progress = scheduler.run(stages)
            estimate.save_durations(root, progress)
            failed = [each for each in progress if each.state == "failed"]
            complete = not failed and not names
        finally:
            repository.close(complete=complete)
    if failed:
        _print_failures(console, root, failed)
        logs = (root / LOGS).relative_to(home(root))
        failed_names = ", ".join(each.stage.name for each in failed)
        raise AnamnesisError(f"{len(failed)} of {len(stages)} stages failed: {failed_names}; logs are in {logs}")
    file = (root / "dvc.yaml").relative_to(home(root))
    command = "dvc repro" if file.name == str(file) else f"dvc repro {file}"
    ran = sum(each.state == "done" for each in progress)
    console.print(
        f"{ran} stages ran, {len(stages) - ran} came from the cache or were up to date: "
        f"{format_time(time.monotonic() - start)}; a plain `{command}` finds nothing left to do.",
        highlight=False,
        soft_wrap=True,
    )
    return True


def describe_plan(stages: list[Stage], seconds: float, jobs: int) -> str:
    """One line with the number of stages of each kind to run, and the estimated time."""
    kinds = [re.match("[a-z]*", stage.name.rpartition(":")[2])[0] for stage in stages if not stage.up_to_date]  # type: ignore[index]
    counts = Counter(kind if kind in KINDS else "" for kind in kinds)
    work = [f"{counts[kind]} {names[counts[kind] > 1]}" for kind, names in KINDS.items() if counts[kind]]
    minutes = f"{seconds / 60:.0f} minutes" if seconds > 90 else "a minute" if seconds > 20 else "some seconds"
    return f"{', '.join(work)}: about {minutes}, {jobs} at once. Ctrl-C stops it; run it again to go on."


def _executor(stages: list[Stage], jobs: int) -> Executor:
    from anamnesis.engine.local import LocalExecutor

    return LocalExecutor(max(jobs, 1), warm=any(stage.command.startswith("python ") for stage in stages))


def _set_environment(root: Path) -> None:
    """Set the environment of the stages: this Python first on PATH, one thread each, no telemetry, a quiet MLflow."""
    from anamnesis.tracking import store

    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    os.environ["DVC_NO_ANALYTICS"] = "1"
    for name in THREADS:
        os.environ[name] = "1"
    store.set_environment(root)


def _print_failures(console: Console, root: Path, failed: list[Progress]) -> None:
    """Print the end of the log of each failed stage, or its error if it has no log."""
    for each in failed:
        log = log_path(root, each.stage.name)
        has_log = each.code is not None and log.exists()
        text = f" failed. The end of {log.relative_to(home(root))}:" if has_log else f" failed: {each.text}"
        console.print(f"\n{each.stage.name}{text}", style="bold red", highlight=False, soft_wrap=True)
        if has_log:
            console.print(printable(read_tail(log, 20)), markup=False, highlight=False, soft_wrap=True)
    console.print()
