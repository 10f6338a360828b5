"""A profile: the same pipeline with other budgets, in a folder with settings, results and a dvc.lock of its own.

A user edits profiles/NAME/profile.yaml. The folder's params.yaml and corpora.yaml are written from it and the project's
own; its dvc.yaml is the project's with other paths. The stages run in the project's folder, so that code and own cells
are shared, and write below the profile's folder.
"""

from pathlib import Path, PurePosixPath
from typing import Any

from anamnesis import files, params
from anamnesis.errors import AnamnesisError, ParamsError
from anamnesis.project import OVERLAY, PROFILES, STANDARD, check_profile, profile_folder
from anamnesis.yaml_file import dump_yaml, read_yaml

PIPELINE = "dvc.yaml"


def merge(top: Path, name: str) -> dict[str, Any]:
    """The checked content of a profile's params.yaml and corpora.yaml: its profile.yaml over the project's own.

    Args:
        top: the project's own folder.

    Raises:
        ParamsError: there is no such profile, or the result is not valid.
    """
    check_profile(top, name)
    if name == STANDARD:
        raise ParamsError(f"{STANDARD} is the project's own folder; other budgets need another name")
    origin = f"{PROFILES}/{name}/{OVERLAY}"
    overlay = read_yaml(top / origin) or {}
    if not isinstance(overlay, dict):
        raise ParamsError(f"{origin}: found a list or a single value; allowed: a mapping, as in params.yaml")
    base = params.read(top / params.PARAMS)
    params.check(base)
    content = params.apply_profile(base, overlay) | {"profile": name}
    params.check(content, f"{origin} over {params.PARAMS}", f"{origin} over {params.CORPORA}")
    return content


def contents(top: Path, name: str) -> dict[str, str]:
    """The texts of the files that are written into profiles/NAME, by name; params.yaml is the last one.

    Args:
        top: the project's own folder.

    Raises:
        ParamsError: as `merge`.
    """
    content = merge(top, name)
    texts = {PIPELINE: dump_yaml(pipeline(read_yaml(top / PIPELINE), name, content)), **params.dump(content)}
    return {
        file: f"# Written by `anamnesis profile {name}` from {file} of the project and {OVERLAY}: edit those.\n{text}"
        for file, text in texts.items()
    }


def list_changes(top: Path, name: str) -> list[str]:
    """The files of profiles/NAME that are missing or differ from `contents`. Raises as that does."""
    folder = profile_folder(top, name)
    return [file for file, text in contents(top, name).items() if not _holds(folder / file, text)]


def write(top: Path, name: str) -> list[str]:
    """Write the files of profiles/NAME; results in the folder stay.

    params.yaml, without which the folder is not used, is written last.

    Args:
        top: the project's own folder.

    Returns:
        The files that were missing or differed.

    Raises:
        ParamsError: as for `contents`; nothing is written.
        AnamnesisError: DVC would not read the folder; nothing is written.
    """
    texts, folder = contents(top, name), profile_folder(top, name)
    if (folder / ".dvc").exists():
        raise AnamnesisError(f"{folder / '.dvc'}: makes the folder another DVC project; move it away")
    written = [file for file, text in texts.items() if not _holds(folder / file, text)]
    for file in written:
        files.write_text(folder / file, texts[file])
    return written


def pipeline(content: dict[str, Any], name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The dvc.yaml of a profile: stages with the same commands and code, but settings, inputs and outputs of its own.

    Args:
        content: of the project's dvc.yaml.
        name: the profile.
        settings: content of the profile's params.yaml.
    """
    folder = f"{PROFILES}/{name}"
    blocks = [stage.get("do", stage) for stage in content["stages"].values()]
    outputs = [output for block in blocks for key in ("outs", "metrics") for output in block.get(key, [])]
    own = {str(PurePosixPath(output).parent) for output in outputs} | {params.PARAMS, params.CORPORA}

    def place(path: str) -> str:
        """The path from the project's folder on; settings and outputs are those of the profile."""
        inside = any(path == each or path.startswith(f"{each}/") for each in own)
        return f"{folder}/{path}" if inside else path

    def convert(block: dict[str, Any]) -> dict[str, Any]:
        lists: dict[str, Any] = {
            key: [place(path) for path in block[key]] for key in ("deps", "metrics", "outs") if key in block
        }
        if "params" in block:
            keys = [each if isinstance(each, dict) else {params.PARAMS: [each]} for each in block["params"]]
            lists["params"] = [{place(file): value for file, value in each.items()} for each in keys]
        return block | {"wdir": "../..", "cmd": f"{block['cmd']} --profile {name}"} | lists

    stages: dict[str, Any] = {}
    for key, stage in content["stages"].items():
        if "do" not in stage:
            stages[key] = convert(stage)
            continue
        entries = stage["foreach"]
        if entries == "${dependent}":
            # A needed model is the profile's own, a needed cell is the project's.
            entries = {
                entry: {key: place(value) for key, value in values.items() if isinstance(value, str)}
                for entry, values in (settings.get("dependent") or {}).items()
            }
        stages[key] = {"foreach": entries, "do": convert(stage["do"])}
    return content | {"stages": stages}


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text
