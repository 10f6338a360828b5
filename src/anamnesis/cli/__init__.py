"""The `anamnesis` command: look at experiments, use their models, run and track the pipeline.

Nothing heavy is imported before a command needs it: a help page must not wait for a deep-learning library.
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
    """The entry point: an error of the user's is one line and an exit code, a closed pipe is no error at all."""
    try:
        console.run(app)
    except BrokenPipeError:
        # Python flushes standard output once more at exit.
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
            help="The profile whose folder and results the command is about; `anamnesis profile` lists them.",
            show_default="that of the folder you are in",
        ),
    ] = None,
) -> None:
    """What holds for every command."""
    location.profile.set(profile)
    if run_id := os.environ.get("MLFLOW_RUN_ID"):
        context.call_on_close(lambda: tracking.close_project_run(run_id))
