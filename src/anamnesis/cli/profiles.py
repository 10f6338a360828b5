"""The command that writes the files of profiles."""

from pathlib import Path
from typing import Annotated

import typer

from anamnesis.cli import printing
from anamnesis.errors import ParamsError
from anamnesis.project import STANDARD, check_profile, find_root, home, profile_folder, profile_names

commands = typer.Typer()


@commands.command(epilog="Examples: anamnesis profile\n\nanamnesis profile seed")
def profile(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[PROFILE]", help="A folder in profiles/.", show_default="list all profiles"),
    ] = None,
) -> None:
    """Write the settings and the dvc.yaml of a profile: the same experiments with other budgets.

    profiles/PROFILE/profile.yaml is merged over params.yaml and corpora.yaml. Results in the folder stay.
    """
    # Without --profile, whose files may not exist yet.
    top = home(find_root())
    if name is None:
        printing.table(["profile", "folder", "status"], [[each, *_status(top, each)] for each in profile_names(top)])
        return
    check_profile(top, name)
    if name == STANDARD:
        print(f"{name} is the project's own folder, with the original params.yaml\nNext: make repro")
        return
    from anamnesis import profiles

    folder = profile_folder(top, name).relative_to(top)
    written = profiles.write(top, name)
    print(f"{folder}: wrote {', '.join(written)}" if written else f"{folder} is up to date")
    print(f"Next: make repro PROFILE={name}, or anamnesis --profile {name} repro, or dvc repro {folder}/dvc.yaml")


def _status(top: Path, profile: str) -> tuple[str, str]:
    """The folder of a profile, and whether its files are up to date."""
    from anamnesis import params, profiles

    folder = profile_folder(top, profile)
    shown = str(folder.relative_to(top))
    if folder == top:
        return shown, "the original params.yaml"
    if not (folder / "params.yaml").is_file():
        return shown, f"not written yet: anamnesis profile {profile}"
    try:
        changed = profiles.list_changes(top, profile)
    except ParamsError as error:
        return shown, str(error)
    if changed:
        return shown, f"not up to date: anamnesis profile {profile}"
    return shown, f"ready: {len(params.load(folder / 'params.yaml').experiments)} experiments"
