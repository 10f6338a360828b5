"""Where the project's folder is."""

from pathlib import Path

from anamnesis.errors import AnamnesisError


def find_root(start: Path | None = None) -> Path:
    """The nearest folder from `start` (default: the working directory) upward that holds params.yaml and dvc.yaml.

    Raises:
        AnamnesisError: there is none.
    """
    start = (start or Path.cwd()).absolute()
    for folder in (start, *start.parents):
        if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
            return folder
    raise AnamnesisError(f"{start} is not inside a project: no folder from there upward holds params.yaml and dvc.yaml")
