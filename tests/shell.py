"""The `anamnesis` command in a process of its own, as a person types it."""

import os
import subprocess
import sys
from pathlib import Path


def anamnesis(folder: Path, *arguments: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "anamnesis.cli", *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100", **environment},
        timeout=120,
    )
