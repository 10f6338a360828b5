"""The commands that change what MLflow holds: its runs and its registered models."""

import sys
from contextlib import suppress
from typing import Annotated

import typer

from anamnesis.cli import location, printing
from anamnesis.errors import AnamnesisError, ParamsError

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
    """Make the challenger of a registered model its champion, if it answers the same question better."""
    if force and not reason.strip():
        raise ParamsError("--force needs --reason 'why'")
    root = location.enter()
    from anamnesis.tracking.promotion import promote as move

    printing.write(str(move(model, force, reason.strip() or None, root)))


@commands.command(epilog="Example: anamnesis sync")
def sync() -> None:
    """Rebuild the runs and registered models in MLflow from the results on disk.

    For when the tracking database was deleted, or the results came from elsewhere. What is there already stays as it
    is: a second time adds nothing.
    """
    root = location.enter()
    from anamnesis.tracking.store import forget_outage
    from anamnesis.tracking.sync import sync as bring

    forget_outage(root)
    printing.write(str(bring(root)))


def close_project_run(run_id: str) -> None:
    """Name the run that `mlflow run` opened for this command; it is removed later if no runs are below it."""
    from anamnesis.tracking.project_run import close

    # The command has done its work; what fails here leaves one more run on MLflow's pages.
    with suppress(AnamnesisError):
        close(run_id, ["anamnesis", *sys.argv[1:]], location.enter())
