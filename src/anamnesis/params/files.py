"""Read and write params.yaml and corpora.yaml."""

from pathlib import Path
from typing import Any

from anamnesis.errors import ParamsError, suggest
from anamnesis.params.messages import show
from anamnesis.yaml_file import dump_yaml, read_yaml

# Two files, because DVC parses a whole file again for each stage that records one of its keys.
PARAMS, CORPORA = "params.yaml", "corpora.yaml"
CORPORA_SECTIONS = ("corpora", "own_corpora")
PARAMS_SECTIONS = ("profile", "tokens", "experiments", "dependent")


def read(path: Path) -> dict[str, Any]:
    """The content of params.yaml and of the corpora.yaml beside it as one mapping, not yet checked.

    Raises:
        ParamsError: a file is missing, is no mapping, gives a key twice, or holds a block of the other file.
    """
    content = _read_mapping(path, PARAMS_SECTIONS)
    for key in CORPORA_SECTIONS:
        if key in content:
            raise ParamsError(f"{path}: {key}: this block belongs in {CORPORA}, beside this file; move it there")
    beside = path.with_name(CORPORA)
    corpora = _read_mapping(beside, CORPORA_SECTIONS)
    for key in corpora:
        if key not in CORPORA_SECTIONS:
            raise ParamsError(f"{beside}: {key}: unknown key; {suggest(str(key), CORPORA_SECTIONS)}")
    return content | corpora


def dump(content: dict[str, Any]) -> dict[str, str]:
    """The texts of corpora.yaml and params.yaml by name, without anchors.

    Args:
        content: as `read` returns it.
    """
    corpora = {key: value for key, value in content.items() if key in CORPORA_SECTIONS}
    others = {key: value for key, value in content.items() if key not in CORPORA_SECTIONS}
    return {CORPORA: dump_yaml(corpora), PARAMS: dump_yaml(others)}


def _read_mapping(path: Path, allowed: tuple[str, ...]) -> dict[str, Any]:
    """The content of a YAML file that must be a mapping; `allowed` lists its keys in the error."""
    content = read_yaml(path)
    if not isinstance(content, dict):
        found = "nothing" if content is None else show(content)
        raise ParamsError(f"{path}: found {found}; allowed: a mapping with {', '.join(allowed)}")
    return content
