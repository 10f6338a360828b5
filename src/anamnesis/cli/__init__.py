"""The `anamnesis` command: show experiments, use their models, run and track the pipeline.

A command imports PyTorch, MLflow and other large packages only when it needs them, so that help pages are fast.
"""

import os
import sys
from typing import Annotated

import typer

from anamnesis import console
from anamnesis.cli import (
    captioning,
    classification,
    cloze,
    experiments,
    forecasting,
    language,
    location,
    pipeline,
    profiles,
    tracking,
    translation,
)

app = typer.Typer(
    help="Train, compare and use recurrent sequence models: one reproducible pipeline of DVC, Lightning and MLflow.",
    epilog="First `anamnesis repro`, which runs everything; then `anamnesis list`, `anamnesis generate sherlock-lstm`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# In the order of the help page.
for part in (
    experiments,
    language,
    cloze,
    translation,
    captioning,
    forecasting,
    classification,
    tracking,
    pipeline,
    profiles,
):
    app.add_typer(part.commands)


def main() -> None:
    """The entry point of the command; an error is one line and an exit code, and a closed pipe is silent."""
    try:
        console.run(app)
    except BrokenPipeError:
        # Python flushes standard output again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None


@app.callback()
def options(
    context: typer.Context,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="PROFILE",
            envvar="ANAMNESIS_PROFILE",
            help="The profile whose settings and results the command uses; `anamnesis profile` lists all profiles.",
            show_default="the profile of the working directory",
        ),
    ] = None,
) -> None:
    """Options of all commands."""
    location.profile.set(profile)
    if run_id := os.environ.get("MLFLOW_RUN_ID"):
        context.call_on_close(lambda: tracking.close_project_run(run_id))
