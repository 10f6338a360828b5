"""What an experiment with `task: classification` may read, and which package has the code of it."""

from importlib import import_module
from types import ModuleType

PACKAGES = {
    "documents": "anamnesis.tasks.classification",
    "videos": "anamnesis.tasks.video",
}


def module(reads: str, name: str) -> ModuleType:
    """The module `name` of the package for what is read."""
    return import_module(f"{PACKAGES[reads]}.{name}")
