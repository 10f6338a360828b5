"""The commands that run the pipeline and show its results."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from anamnesis.cli import location, printing
from anamnesis.console import INTERRUPTED, printable
from anamnesis.project import home, profile_of

commands = typer.Typer()


@commands.command(
    epilog="Examples: anamnesis repro\n\nanamnesis repro -j 4 sherlock-lstm novel-lstm\n\nanamnesis repro tokenize"
)
def repro(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STAGE|EXPERIMENT]...",
            help="Only these and their dependencies: experiments, groups of stages (train) or single stages "
            "(train@sherlock-lstm).",
            show_default="everything",
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option("-j", "--jobs", min=0, help="Number of stages to run in parallel; 0: the number of cores.")
    ] = 0,
) -> None:
    """Run the stages whose dependencies have changed, independent stages in parallel.

    This is faster than `dvc repro` and writes the same results, byte for byte. Ctrl-C stops all stages; run the command
    again to continue. The output of each stage is in .anamnesis/logs.
    """
    from rich.console import Console

    from anamnesis.engine.run import count_cores
    from anamnesis.engine.run import repro as run
    from anamnesis.tracking import sync
    from anamnesis.tracking.store import TrackingError

    root = location.enter()
    _note_stale(root)
    try:
        run(root, targets or [], jobs or count_cores(), Console())
    except KeyboardInterrupt:
        # Typer ends the command without a word.
        print(INTERRUPTED, file=sys.stderr, flush=True)
        raise
    # The stage `register` has synchronised MLflow, if it was part of the run.
    if not sync.is_synced(root):
        try:
            printing.write(str(sync.sync(root)))
        except TrackingError as error:
            # The results are complete without MLflow.
            print(
                f"warning: {printable(str(error))}; `anamnesis sync` logs the results later",
                file=sys.stderr,
                flush=True,
            )
    if not targets:
        leaderboard()
        page = (root / "reports" / "index.html").resolve().relative_to(home(root))
        print(f"\nNext: `make ui` (or `anamnesis ui`) shows runs and models; the report is {page}")


@commands.command(epilog="Example: anamnesis leaderboard")
def leaderboard() -> None:
    """Print the experiments of each corpus, the best first."""
    root = location.enter()
    from anamnesis.report.terminal import print_leaderboard

    print_leaderboard(root)


@commands.command(epilog="Example: anamnesis ui --port 5001")
def ui(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
) -> None:
    """Serve the MLflow pages with this project's runs and models, until Ctrl-C."""
    from anamnesis.tracking.pages import serve

    serve(location.enter(), host, port)


def _note_stale(root: Path) -> None:
    """Print a note about each file of a profile that is not up to date; a user may have edited it."""
    name = profile_of(root)
    if root.resolve() == home(root):
        return
    from anamnesis import profiles

    for file in profiles.list_changes(home(root), name):
        print(
            f"note: profiles/{name}/{file} differs from the file that `anamnesis profile {name}` writes",
            file=sys.stderr,
        )
