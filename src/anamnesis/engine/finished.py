"""Notes of commands that ended well, so that they do not run again if the engine is killed before it records them."""

import os
from pathlib import Path

from anamnesis import files
from anamnesis.engine.executor import file_name

FOLDER = Path(".anamnesis/finished")


def note(root: Path, name: str, key: str, outputs: tuple[str, ...]) -> None:
    """Note that the command of stage `name` ended well.

    Args:
        root: the project's folder.
        key: a digest of the command, its dependencies and its parameters.
        outputs: the stage's outputs.
    """
    files.write_json(_path(root, name), {"key": key, "outputs": _state(outputs)})


def is_noted(root: Path, name: str, key: str, outputs: tuple[str, ...]) -> bool:
    """Whether the command ended well with this key, and nothing has touched its outputs since."""
    return bool(files.read_state(_path(root, name)) == {"key": key, "outputs": _state(outputs)})


def forget(root: Path, name: str) -> None:
    """Remove the note: the result has been recorded, or the command is about to run."""
    _path(root, name).unlink(missing_ok=True)


def _state(outputs: tuple[str, ...]) -> dict[str, list[int]]:
    """Size, modification time and inode of each file of the outputs, by path; an empty list for a missing output."""
    state: dict[str, list[int]] = {}
    for output in outputs:
        path = Path(output)
        found = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        for one in found:
            try:
                status = os.stat(one)
            except FileNotFoundError:
                state[str(one)] = []
            else:
                state[str(one)] = [status.st_size, status.st_mtime_ns, status.st_ino]
    return state


def _path(root: Path, name: str) -> Path:
    return root / FOLDER / f"{file_name(name)}.json"
