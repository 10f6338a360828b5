"""The folder of a classifier, whatever it reads."""

from pathlib import Path
from typing import Any

from anamnesis.errors import AnamnesisError
from anamnesis.models import CARD, read_card
from anamnesis.tasks.labels import readers


def load(folder: Path) -> Any:
    """A classifier, every file checked against its digest; what it `classify`s depends on what it reads.

    Raises:
        AnamnesisError: a file is missing, damaged or altered, or nothing is known that reads such things.
    """
    return readers.module(reads(folder), "saved").load(folder)


def reads(folder: Path) -> str:
    """What the classifier of a folder reads, a key of `readers.PACKAGES`. Raises as `load` does."""
    found = read_card(folder).get("reads")
    if not isinstance(found, str) or found not in readers.PACKAGES:
        raise AnamnesisError(f"{folder / CARD}: reads: found {found!r}; allowed: {', '.join(readers.PACKAGES)}")
    return found
