"""Where the project's folder is, and the folders of its profiles."""

from collections.abc import Container
from pathlib import Path

from anamnesis.errors import AnamnesisError, ParamsError, suggest

# The profile whose folder is the project's; every other profile NAME has the folder profiles/NAME.
STANDARD = "laptop"
PROFILES = "profiles"
# The file in that folder that a user edits.
OVERLAY = "profile.yaml"
# Relative to the project's folder: the output of stages, and tracebacks of unexpected errors.
LOGS = Path(".anamnesis") / "logs"


def find_root(start: Path | None = None, profile: str | None = None) -> Path:
    """The project's folder: the nearest from `start` upward that contains params.yaml and dvc.yaml.

    Args:
        start: the folder where the search begins; None: the working directory.
        profile: return the folder of this profile instead.

    Raises:
        AnamnesisError: no folder contains both files.
        ParamsError: there is no profile of that name, or its files have not been written.
    """
    start = (start or Path.cwd()).absolute()
    root = next((folder for folder in (start, *start.parents) if is_root(folder)), None)
    if root is None:
        raise AnamnesisError(
            f"{start} is not inside a project: no folder from there upward holds params.yaml and dvc.yaml"
        )
    if not profile:
        return root
    top = home(root)
    check_profile(top, profile)
    folder = profile_folder(top, profile)
    if not is_root(folder):
        raise ParamsError(f"profile {profile}: its files are not written yet: anamnesis profile {profile}")
    return folder


def home(root: Path) -> Path:
    """The project's folder; `root` is that folder or the folder of a profile."""
    root = root.resolve()
    top = root.parent.parent
    return top if root.parent.name == PROFILES and is_root(top) else root


def profile_of(root: Path) -> str:
    """The name of the profile whose folder `root` is."""
    root = root.resolve()
    return STANDARD if root == home(root) else root.name


def profile_folder(top: Path, profile: str) -> Path:
    """The folder of a profile."""
    return top if profile == STANDARD else top / PROFILES / profile


def profile_names(top: Path) -> list[str]:
    """The names of the project's profiles, the standard one first."""
    return [STANDARD, *sorted({path.parent.name for path in (top / PROFILES).glob(f"*/{OVERLAY}")} - {STANDARD})]


def check_profile(top: Path, profile: str) -> None:
    """Check that the project has this profile.

    Raises:
        ParamsError: it has not; the message suggests the nearest name.
    """
    if profile not in profile_names(top):
        raise ParamsError(f"no profile is named {profile!r}; {suggest(profile, profile_names(top))}")


def leftovers(root: Path, experiments: Container[str]) -> list[Path]:
    """Outputs of experiments that are no longer in params.yaml, as paths relative to `root`.

    The stages `compare` and `register` depend on all outputs, so leftovers change the hashes in dvc.lock.

    Args:
        experiments: the names in params.yaml.
    """
    found = [*(root / "metrics").glob("*.json"), *(root / "models").glob("*/"), *(root / "predictions").glob("*/")]
    return sorted(
        path.relative_to(root) for path in found if path.stem not in experiments and not path.name.startswith(".")
    )


def is_root(folder: Path) -> bool:
    """Whether a folder is a project's, or a profile's."""
    return (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file()
