"""Files that a command writes because an option names them."""

from pathlib import Path

from anamnesis import files
from anamnesis.errors import AnamnesisError, ParamsError


def resolve(option: str, path: Path | None, *endings: str) -> Path | None:
    """The absolute path of the file in an option, relative to the folder in which the user called the command.

    Raises:
        ParamsError: the name has another ending than `endings`.
    """
    if path is not None and path.suffix.lower() not in endings:
        raise ParamsError(f"{option}: found {path.name!r}; allowed: a name that ends with {' or '.join(endings)}")
    return path and path.absolute()


def write(option: str, path: Path, content: bytes) -> None:
    """Write the file in an option.

    Raises:
        AnamnesisError: the file cannot be written.
    """
    try:
        files.write_bytes(path, content)
    except OSError as error:
        raise AnamnesisError(f"{option}: {path} cannot be written: {error.strerror}") from None
