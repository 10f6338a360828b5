"""The `anamnesis` command in a process of its own."""

import os
import subprocess
from pathlib import Path

import forks

COMMAND = "from anamnesis.cli import main; main()"


def anamnesis(folder: Path, *arguments: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    variables = {**os.environ, "COLUMNS": "100", **environment}
    (done,) = forks.run(COMMAND, "anamnesis", *arguments, folder=folder, stdin=stdin, environment=variables)
    return done
