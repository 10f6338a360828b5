"""The folder that a command is about, the project's own or a profile's, and the JSON files in it."""

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
    """The folder of the project, or of the profile that the command is about."""
    return find_root(profile=profile.get())


def command() -> str:
    """How to call this command about the same folder."""
    name = profile.get()
    return f"anamnesis --profile {name}" if name else "anamnesis"


def enter() -> Path:
    """That folder, after a change of the working directory to the project's, where DVC and own cells are looked for."""
    root = find()
    os.chdir(home(root))
    return root


def read_json(path: Path) -> Any:
    """A JSON file's content, or an empty mapping where there is none yet.

    Raises:
        AnamnesisError: the file is damaged, or holds neither an object nor a list.
    """
    if not path.exists():
        return {}
    mend = f"run `{command()} repro`"
    content = files.read_json(path, mend)
    if not isinstance(content, dict | list):
        raise AnamnesisError(f"{path}: found {type(content).__name__}, allowed: an object or a list; {mend}")
    return content
