"""A profile's folder: the same pipeline with other budgets, whose results, dvc.lock and DVC state are its own."""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from anamnesis import files, params
from anamnesis.errors import AnamnesisError, ParamsError
from anamnesis.project import PROFILES, STANDARD, check_profile, profile_folder
from anamnesis.yaml_file import read_yaml

# What a profile shares with the project's own folder, as far as it is there: DVC follows links in the working tree, but
# reads no file of an earlier commit through one (`dvc exp show`, `dvc metrics diff`).
LINKED = ("src", "pipelines", "cells", "data/own", ".dvc/plots")
COPIED = (".dvcignore", "dvc.yaml")

# DVC takes the folder for a project of its own, but for the cache, in which each finds what the other has made. Where
# Git ignores the folder, DVC must not know of Git (`no_scm`), for it refuses a pipeline that is ignored.
CONFIG = """\
[core]
    analytics = false
    check_update = false
    autostage = false
    no_scm = {no_scm}
[cache]
    dir = ../../../.dvc/cache
"""
# DVC would write it.
IGNORED = "/config.local\n/tmp\n/cache\n"
# The page of `dvc plots show` that draws offline, if it is installed.
PLOTS_PAGE = Path(".dvc") / "tmp" / "plots" / "offline.html"
LOCAL_CONFIG = f"""\
[plots]
    html_template = ../../../{PLOTS_PAGE}
"""


def merged(top: Path, name: str) -> dict[str, Any]:
    """The content of a profile's params.yaml and corpora.yaml: profiles/NAME.yaml over the project's own, checked.

    Args:
        top: the project's own folder.

    Raises:
        ParamsError: there is no such profile, or what it makes of the two files is not valid.
    """
    check_profile(top, name)
    origin = f"{PROFILES}/{name}.yaml"
    if name == STANDARD:
        raise ParamsError(f"{STANDARD} is the project's own folder; other budgets need another name")
    overlay = read_yaml(top / origin) or {}
    if not isinstance(overlay, dict):
        raise ParamsError(f"{origin}: found a list or a single value; allowed: a mapping, as in params.yaml")
    base = params.read(top / params.PARAMS)
    params.check(base)
    content = params.apply_profile(base, overlay) | {"profile": name}
    params.check(content, f"{origin} over {params.PARAMS}", f"{origin} over {params.CORPORA}")
    return content


def contents(top: Path, name: str) -> dict[str, str]:
    """The files of profiles/NAME that are made from others: its settings, and copies of what describes the pipeline.

    Args:
        top: the project's own folder.

    Returns:
        Name -> text, params.yaml last. Raises as `merged`.
    """
    content = merged(top, name)
    command = f"by `anamnesis profile {name}`, which writes it anew"
    made = {
        file: f"# Copied from {file} of the project {command}.\n{(top / file).read_text(encoding='utf-8')}"
        for file in COPIED
        if (top / file).exists()
    }
    for file, text in params.dump(content).items():
        made[file] = f"# Made from {file} and {PROFILES}/{name}.yaml {command}: edit those.\n{text}"
    return made


def changed(top: Path, name: str) -> list[str]:
    """The files of profiles/NAME that are not there or not what `contents` says. Raises as that does."""
    folder = profile_folder(top, name)
    texts = contents(top, name)
    return [file for file, text in texts.items() if not _holds(folder / file, text)]


def make(top: Path, name: str) -> list[str]:
    """Make the folder profiles/NAME, or bring it up to date; results that are in it stay.

    Each file takes its place in one step, and params.yaml, without which it is no project, comes last.

    Args:
        top: the project's own folder.

    Returns:
        The files that are new or other than before.

    Raises:
        ParamsError: as for `contents`; nothing is written.
        AnamnesisError: something else stands where a link belongs; nothing is written.
    """
    texts = contents(top, name)
    folder = profile_folder(top, name)
    links = {}
    for linked in LINKED:
        if (top / linked).exists():
            path = folder / linked
            links[path] = os.path.relpath(top / linked, path.parent)
            if path.exists() and not path.is_symlink():
                raise AnamnesisError(f"{path.relative_to(top)}: allowed: a link to {links[path]}; move it away")
    for path, target in links.items():
        _link(path, target)
    settings = {
        "config": CONFIG.format(no_scm=str(_git_ignores(top, folder / "dvc.yaml")).lower()),
        ".gitignore": IGNORED,
    }
    if (top / PLOTS_PAGE).exists():
        settings["config.local"] = LOCAL_CONFIG
    for file, text in settings.items():
        # A user's own settings, such as a remote storage, stay.
        if not (folder / ".dvc" / file).exists():
            files.write_text(folder / ".dvc" / file, text)
    written = [file for file, text in texts.items() if not _holds(folder / file, text)]
    for file in written:
        files.write_text(folder / file, texts[file])
    return written


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and not path.is_symlink() and path.read_text(encoding="utf-8") == text


def _git_ignores(top: Path, path: Path) -> bool:
    command = ["git", "-C", str(top), "check-ignore", "--quiet", str(path)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _link(path: Path, target: str) -> None:
    """Make `path` a symbolic link to `target`, in one step."""
    if path.is_symlink() and os.readlink(path) == target:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as temporary:
        (Path(temporary) / path.name).symlink_to(target)
        os.replace(Path(temporary) / path.name, path)
