"""Where unfinished training keeps its state: outside of all outputs, keyed by everything that decides the result."""

from pathlib import Path

import anamnesis
from anamnesis.files import digest, sha256_file


def checkpoint_folder(root: Path, name: str) -> Path:
    """The folder of an experiment's checkpoints."""
    return root / ".anamnesis" / "checkpoints" / name


def checkpoint_path(root: Path, name: str, inputs: str, packages: tuple[str, ...]) -> Path:
    """The checkpoint file of experiment `name`.

    Args:
        root: the project's folder.
        name: the experiment.
        inputs: digest of its settings and data.
        packages: folders of this package whose code trains it; an edit there starts the training anew.
    """
    package = Path(anamnesis.__file__).parent
    sources = sorted(path for folder in packages for path in (package / folder).rglob("*.py"))
    names = [str(path.relative_to(package)) for path in sources]
    # Layers of the user's own train here too.
    cells = sorted((root / "cells").glob("*.py"))
    names += [f"cells/{path.name}" for path in cells]
    code = digest(*(f"{name} {sha256_file(path)}" for name, path in zip(names, sources + cells, strict=True)))
    return checkpoint_folder(root, name) / f"{digest(inputs, code)[:24]}.ckpt"
