"""The folder of the project or profile that a command uses, and JSON files in it."""

import os
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from anamnesis import files
from anamnesis.errors import AnamnesisError
from anamnesis.project import find_root, home

# The value of --profile.
profile: ContextVar[str | None] = ContextVar("profile", default=None)


def find() -> Path:
    """The folder of the project, or of the profile in the option `--profile`."""
    return find_root(profile=profile.get())


def command() -> str:
    """The command `anamnesis` with the same option `--profile`."""
    name = profile.get()
    return f"anamnesis --profile {name}" if name else "anamnesis"


def enter() -> Path:
    """The folder of `find`; the working directory becomes the project's folder, which DVC and own cells need."""
    root = find()
    os.chdir(home(root))
    return root


def read_json(path: Path) -> Any:
    """The content of a JSON file, or an empty mapping if the file does not exist.

    Raises:
        AnamnesisError: the file is damaged, or contains neither an object nor a list.
    """
    if not path.exists():
        return {}
    advice = f"run `{command()} repro`"
    content = files.read_json(path, advice)
    if not isinstance(content, dict | list):
        raise AnamnesisError(f"{path}: found {type(content).__name__}, allowed: an object or a list; {advice}")
    return content
