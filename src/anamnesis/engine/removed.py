"""Outputs of experiments that params.yaml no longer has leave the folders that `compare` and `register` read."""

import os
import shutil
from collections.abc import Container
from pathlib import Path

from anamnesis.project import leftovers

FOLDER = Path(".anamnesis") / "removed"


def move_leftovers(root: Path, experiments: Container[str]) -> str:
    """Move them to .anamnesis/removed, where nothing is overwritten; what DVC's cache has comes back with its entry.

    Args:
        root: the project's folder.
        experiments: the names in params.yaml.

    Returns:
        One line that says so; empty if there was nothing to move.
    """
    found = leftovers(root, experiments)
    for path in found:
        target, number = root / FOLDER / path, 1
        while os.path.lexists(target):
            number += 1
            target = root / FOLDER / path.with_name(f"{path.name}.{number}")
        target.parent.mkdir(parents=True, exist_ok=True)
        # The folder of outputs may be on another disk.
        shutil.move(root / path, target)
    if not found:
        return ""
    names = ", ".join(dict.fromkeys(path.stem for path in found))
    return f"Moved to {FOLDER}, because params.yaml does not have these experiments any more: outputs of {names}"
