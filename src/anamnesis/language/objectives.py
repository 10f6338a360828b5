"""What an experiment with `task: language` may learn, and which package has the code of it."""

from importlib import import_module
from types import ModuleType

PACKAGES = {
    "next-token": "anamnesis.language",
    "cloze": "anamnesis.language.cloze",
    "word-number": "anamnesis.language.numbers",
    "passage": "anamnesis.language.passages",
}


def module(objective: str, name: str) -> ModuleType:
    """The module `name` of an objective's package."""
    return import_module(f"{PACKAGES[objective]}.{name}")
