"""Where unfinished training keeps its state: outside of all outputs, keyed by everything that decides the result."""

from collections.abc import Iterator
from pathlib import Path

import anamnesis
from anamnesis.files import digest, sha256_file

# The parts of this package that decide the result of a training of any task. dvc.yaml lists the same, and the task.
CODE = ("files.py", "numerics.py", "nn", "tokens", "training")


def checkpoint_folder(root: Path, name: str) -> Path:
    """The folder of an experiment's checkpoints."""
    return root / ".anamnesis" / "checkpoints" / name


def checkpoint_path(root: Path, name: str, inputs: str, task: str) -> Path:
    """The checkpoint file of experiment `name`; an edit of the code that trains it gives another one.

    Args:
        root: the project's folder.
        name: the experiment.
        inputs: digest of its settings and data.
        task: its task, which is also a folder of this package.
    """
    package = Path(anamnesis.__file__).parent
    sources = [
        *(path for part in (*CODE, task) for path in _files(package / part)),
        # Layers of the user's own train here too.
        *_files(root / "cells"),
    ]
    names = [str(path.relative_to(package if path.is_relative_to(package) else root)) for path in sources]
    code = digest(*(f"{name} {sha256_file(path)}" for name, path in zip(names, sources, strict=True)))
    return checkpoint_folder(root, name) / f"{digest(inputs, code)[:24]}.ckpt"


def _files(path: Path) -> Iterator[Path]:
    """The file `path`, or the files of the folder `path` and its subfolders, in a fixed order, without bytecode."""
    if path.is_file():
        yield path
    yield from sorted(each for each in path.rglob("*") if each.is_file() and each.parent.name != "__pycache__")
