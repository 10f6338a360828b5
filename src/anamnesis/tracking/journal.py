"""The journal of champions: a file with one line for each change of the alias `champion`.

Runs and versions can be created again from result files; a person's decision to promote a model cannot. With this
file, a deleted tracking database gets its champions back.
"""

import json
from pathlib import Path
from typing import Any

from anamnesis.errors import AnamnesisError
from anamnesis.files import write_text
from anamnesis.tracking.store import experiment_of, fingerprint_of, shared_state


def path(root: Path) -> Path:
    """The path of the journal, a file with one JSON object in each line, which all profiles share."""
    return shared_state(root) / "champions.jsonl"


def read(root: Path) -> list[dict[str, Any]]:
    """All changes of champions, oldest first.

    Raises:
        AnamnesisError: a line is not a JSON object.
    """
    file = path(root)
    if not file.is_file():
        return []
    entries = []
    # Not `splitlines`: a reason may contain other line separators, such as U+2028.
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            change = json.loads(line)
            entries.append({**change, "model": change["model"], "fingerprint": change["fingerprint"]})
        except (ValueError, KeyError, TypeError):
            raise AnamnesisError(f"{file}: line {number} is not a change of a champion; remove it") from None
    return entries


def read_last(root: Path, model: str) -> dict[str, Any] | None:
    """The last change of a registered model's champion, or None."""
    return next((change for change in reversed(read(root)) if change["model"] == model), None)


def append(root: Path, change: dict[str, Any]) -> None:
    """Append an entry from `new_entry` to the journal."""
    lines = [json.dumps(known, ensure_ascii=False, sort_keys=True) for known in [*read(root), change]]
    write_text(path(root), "\n".join(lines) + "\n")


def new_entry(model: str, version: dict[str, str], tags: dict[str, str]) -> dict[str, Any]:
    """An entry of the journal.

    Args:
        model: the registered model.
        version: the tags of the version that became champion.
        tags: the tags that say when and why.
    """
    return {
        "model": model,
        "fingerprint": fingerprint_of(version) or "",
        "experiment": experiment_of(version) or "",
        "tags": tags,
    }
