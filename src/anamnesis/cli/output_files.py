"""The files that options name for a command to write."""

from pathlib import Path

from anamnesis import files
from anamnesis.errors import AnamnesisError, ParamsError


def target(option: str, path: Path | None, *endings: str) -> Path | None:
    """Where the file that an option names is to be written: as meant where the command was typed, not in the project's
    folder."""
    if path is not None and path.suffix.lower() not in endings:
        raise ParamsError(f"{option}: found {path.name!r}; allowed: a name that ends with {' or '.join(endings)}")
    return path and path.absolute()


def write(option: str, path: Path, content: bytes) -> None:
    """Write the file that an option names."""
    try:
        files.write_bytes(path, content)
    except OSError as error:
        raise AnamnesisError(f"{option}: {path} cannot be written: {error.strerror}") from None
