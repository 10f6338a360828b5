"""Moves outputs of removed experiments out of the folders that `compare` and `register` read."""

import os
import shutil
from collections.abc import Container
from pathlib import Path

from anamnesis import project

FOLDER = Path(".anamnesis") / "removed"


def move_leftovers(root: Path, experiments: Container[str]) -> str:
    """Move outputs of removed experiments to .anamnesis/removed, without overwriting anything there.

    If an experiment returns to params.yaml, DVC's cache restores its outputs.

    Args:
        root: the project's folder.
        experiments: the names in params.yaml.

    Returns:
        One line that names the experiments; empty if there was nothing to move.
    """
    paths = project.leftovers(root, experiments)
    for path in paths:
        target, number = root / FOLDER / path, 1
        while os.path.lexists(target):
            number += 1
            target = root / FOLDER / path.with_name(f"{path.name}.{number}")
        target.parent.mkdir(parents=True, exist_ok=True)
        # The folder of outputs may be on another disk.
        shutil.move(root / path, target)
    if not paths:
        return ""
    names = ", ".join(dict.fromkeys(path.stem for path in paths))
    return f"Moved to {FOLDER}, because params.yaml does not have these experiments any more: outputs of {names}"
