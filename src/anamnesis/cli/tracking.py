"""The commands that change runs and registered models in MLflow: `promote` and `sync`."""

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
        bool, typer.Option("--force/--no-force", help="Promote it regardless of the scores; needs --reason.")
    ] = False,
    reason: Annotated[str, typer.Option(help="The reason, which becomes a tag of the model version.")] = "",
) -> None:
    """Make the challenger of a registered model its champion, if it answers the same question better."""
    if force and not reason.strip():
        raise ParamsError("--force needs --reason 'why'")
    root = location.enter()
    from anamnesis.tracking.promotion import promote as promote_model

    printing.write(str(promote_model(model, force, reason.strip() or None, root)))


@commands.command(epilog="Example: anamnesis sync")
def sync() -> None:
    """Create missing runs and registered models in MLflow from the results on disk.

    Use this after the tracking database was deleted, or after results came from another machine. Existing runs and
    versions do not change.
    """
    root = location.enter()
    from anamnesis.tracking.store import forget_outage
    from anamnesis.tracking.sync import sync as sync_results

    forget_outage(root)
    printing.write(str(sync_results(root)))


def close_project_run(run_id: str) -> None:
    """Name the run that `mlflow run` created for this command; a later `sync` deletes it if it has no child runs."""
    from anamnesis.tracking.project_run import close

    # The command itself was successful, so a failure here is ignored.
    with suppress(AnamnesisError):
        close(run_id, ["anamnesis", *sys.argv[1:]], location.enter())
