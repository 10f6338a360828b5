"""Marks for commands that have succeeded, so that they do not run again if the engine is killed before it records them.

A mark holds the key of the task and the size, modification time and inode of each output file.
"""

import os
from pathlib import Path

from anamnesis import files
from anamnesis.engine.executor import file_name

FOLDER = Path(".anamnesis/finished")


def mark(root: Path, name: str, key: str, outputs: tuple[str, ...]) -> None:
    """Mark the command of stage `name` as successful.

    Args:
        root: the project's folder.
        key: a digest of the command, its dependencies and its parameters.
        outputs: the paths of the stage's outputs.
    """
    files.write_json(_path(root, name), {"key": key, "outputs": _state(outputs)})


def is_marked(root: Path, name: str, key: str, outputs: tuple[str, ...]) -> bool:
    """Whether the command has succeeded with this key, and no output has changed since."""
    return bool(files.read_state(_path(root, name)) == {"key": key, "outputs": _state(outputs)})


def unmark(root: Path, name: str) -> None:
    """Remove the mark: DVC has recorded the result, or the command is about to run."""
    _path(root, name).unlink(missing_ok=True)


def _state(outputs: tuple[str, ...]) -> dict[str, list[int]]:
    """Size, modification time and inode of each output file, by path; an empty list for a missing output."""
    state: dict[str, list[int]] = {}
    for output in map(Path, outputs):
        for path in sorted(each for each in output.rglob("*") if each.is_file()) if output.is_dir() else [output]:
            try:
                status = os.stat(path)
            except FileNotFoundError:
                state[str(path)] = []
            else:
                state[str(path)] = [status.st_size, status.st_mtime_ns, status.st_ino]
    return state


def _path(root: Path, name: str) -> Path:
    return root / FOLDER / f"{file_name(name)}.json"
