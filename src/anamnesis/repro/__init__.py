"""`anamnesis repro`: the pipeline of dvc.yaml, ready stages side by side."""

import os
import sys
import time
from pathlib import Path

from rich.console import Console

from anamnesis import params
from anamnesis.errors import AnamnesisError
from anamnesis.repro import estimate, graph, lockfile
from anamnesis.repro.display import clock, display
from anamnesis.repro.scheduler import LOGS, Progress, Scheduler, tail

# One thread a stage: two stages of one thread beat one stage of two, and two of two are far worse.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "RAYON_NUM_THREADS")


def cores() -> int:
    """How many of this machine's cores may be used."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(root: Path, names: list[str], jobs: int, console: Console) -> bool:
    """Bring the pipeline up to date, as `dvc repro` would, with up to `jobs` stages at once.

    Args:
        root: the project's folder; it becomes the working directory.
        names: stages, experiments, token stores or corpora to restrict it to, with all they need; empty: everything.

    Returns:
        Whether anything had to run.

    Raises:
        ParamsError: params.yaml is not valid, or a name refers to nothing.
        AnamnesisError: a stage failed, after the others finished; its log's end has been printed.
        KeyboardInterrupt: stopped, after everything that was started has ended.
    """
    os.chdir(root)
    settings = params.load()
    targets = graph.targets_of(names, settings)
    _environment()
    stages = graph.plan(root, targets)
    if all(stage.current for stage in stages):
        if not names and (root / lockfile.PENDING).exists():
            # A plain `dvc repro` has finished what an interrupted run began.
            lockfile.order(root, lockfile.remember(root), [stage.name for stage in stages])
        console.print(f"Nothing to do: all {len(stages)} stages are up to date.", highlight=False)
        return False
    began = time.monotonic()
    before = lockfile.remember(root)
    with display(console) as show:
        scheduler = Scheduler(root, max(jobs, 1), estimate.priorities(stages, settings, root), show)
        progress = scheduler.run(stages)
    estimate.keep(root, progress)
    failed = [one for one in progress if one.state == "failed"]
    if failed:
        _report(console, root, failed)
        names_of = ", ".join(one.stage.name for one in failed)
        raise AnamnesisError(f"{len(failed)} of {len(stages)} stages failed: {names_of}; logs are in {LOGS}")
    lockfile.order(root, before, [stage.name for stage in stages])
    _verify(scheduler.whole(targets), root)
    ran = sum(one.state == "done" for one in progress)
    console.print(
        f"{ran} stages ran, {len(stages) - ran} came from the cache or were up to date: "
        f"{clock(time.monotonic() - began)}; a plain `dvc repro` finds nothing left to do.",
        highlight=False,
        soft_wrap=True,
    )
    return True


def _environment() -> None:
    """What stages inherit: this Python first on the path, one thread each, no reports to DVC's makers."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    os.environ["DVC_NO_ANALYTICS"] = "1"
    for name in THREADS:
        os.environ[name] = "1"


def _report(console: Console, root: Path, failed: list[Progress]) -> None:
    for one in failed:
        log = LOGS / f"{one.stage.name}.log"
        console.print(
            f"\n{one.stage.name} failed. The end of {log}:", style="bold red", highlight=False, soft_wrap=True
        )
        console.print(tail(root / log, 20), markup=False, highlight=False, soft_wrap=True)
    console.print()


def _verify(said: str, root: Path) -> None:
    """Plain DVC, which has the last word, must find every stage up to date."""
    if not said or "Running stage" in said or "is cached - skipping" in said:
        raise AnamnesisError(f"a plain `dvc repro` afterwards still found work; see {LOGS / 'dvc-repro.log'}")
