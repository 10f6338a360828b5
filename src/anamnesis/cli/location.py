"""The folder that a command is about, the project's own or a profile's, and the JSON files in it."""

import json
import os
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from anamnesis.project import find_root

# What --profile says.
profile: ContextVar[str | None] = ContextVar("profile", default=None)


def find() -> Path:
    """The folder of the project, or of the profile that the command is about."""
    return find_root(profile=profile.get())


def command() -> str:
    """How to call this command about the same folder."""
    name = profile.get()
    return f"anamnesis --profile {name}" if name else "anamnesis"


def enter() -> Path:
    """Make that folder the working directory, where MLflow and DVC look for their files."""
    root = find()
    os.chdir(root)
    return root


def read_json(path: Path) -> Any:
    """A JSON file's content, or an empty mapping where there is none yet."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
