"""The commands that change what MLflow holds: its runs and its registered models."""

import os
from pathlib import Path
from typing import Annotated

import typer

from anamnesis import files
from anamnesis.cli import location
from anamnesis.errors import ParamsError
from anamnesis.project import home

commands = typer.Typer()


@commands.command(
    epilog="Examples: anamnesis promote language-sherlock\n\n"
    "anamnesis promote language-sherlock --force --reason 'smaller and nearly as good'"
)
def promote(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A registered model, such as language-sherlock.")],
    force: Annotated[
        bool, typer.Option("--force/--no-force", help="Promote it whatever the scores say; needs --reason.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the model.")] = "",
) -> None:
    """Make the challenger of a registered model its champion, if it is better on the same test data."""
    if force and not reason.strip():
        raise ParamsError("--force needs --reason 'why'")
    location.enter()
    from anamnesis.tracking.promotion import promote as move

    print(move(model, force, reason.strip() or None))


@commands.command(epilog="Example: anamnesis sync")
def sync() -> None:
    """Rebuild the runs and registered models in MLflow from the results on disk.

    For when the tracking database was deleted, or the results came from elsewhere. What is there already stays as it
    is: a second time adds nothing.
    """
    print(sync_results(location.enter()))


def sync_results(root: Path) -> str:
    """Bring MLflow up to date with the results, and note which they were; a line that says what was new."""
    from anamnesis.tracking.store import synced_file
    from anamnesis.tracking.sync import sync as bring

    said = str(bring(root))
    files.write_json(synced_file(root), _results(root))
    return said


def is_synced(root: Path) -> bool:
    """Whether the last sync saw these results and its database is still there."""
    from anamnesis.tracking.store import synced_file

    here = "MLFLOW_TRACKING_URI" in os.environ or (home(root) / "mlflow.db").exists()
    return here and location.read_json(synced_file(root)) == _results(root)


def _results(root: Path) -> dict[str, str]:
    lock = root / "dvc.lock"
    return {
        "tracking": os.environ.get("MLFLOW_TRACKING_URI", ""),
        "results": files.sha256_file(lock) if lock.exists() else "",
    }
