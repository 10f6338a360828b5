"""What an experiment with `task: language` may learn, and which package has the code of it."""

from importlib import import_module
from types import ModuleType

PACKAGES = {
    "next-token": "anamnesis.tasks.language",
    "cloze": "anamnesis.tasks.cloze",
    "word-number": "anamnesis.tasks.numbers",
    "passage": "anamnesis.tasks.passages",
}


def module(objective: str, name: str) -> ModuleType:
    """The module `name` of an objective's package."""
    return import_module(f"{PACKAGES[objective]}.{name}")
