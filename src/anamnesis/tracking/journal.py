"""Who has been champion: one line for each change, kept beside the project and not in MLflow's database.

Runs and versions can be rebuilt from result files; a person's decision to promote cannot. This file is why a deleted
tracking database comes back with the champion it had.
"""

import json
from pathlib import Path
from typing import Any

from anamnesis.errors import AnamnesisError
from anamnesis.files import write_text
from anamnesis.tracking.store import experiment_of, fingerprint_of, shared_state


def path(root: Path) -> Path:
    """The file, one JSON object a line; that of the profiles, too, whose models have other names."""
    return shared_state(root) / "champions.jsonl"


def read(root: Path) -> list[dict[str, Any]]:
    """Every change of a champion, oldest first.

    Raises:
        AnamnesisError: a line is not a JSON object.
    """
    file = path(root)
    if not file.is_file():
        return []
    entries = []
    # JSON leaves other line ends as they are inside of a text, such as U+2028 in a reason.
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            change = json.loads(line)
            entries.append({**change, "model": change["model"], "fingerprint": change["fingerprint"]})
        except (ValueError, KeyError, TypeError):
            raise AnamnesisError(f"{file}: line {number} is not a change of a champion; remove it") from None
    return entries


def last(root: Path, model: str) -> dict[str, Any] | None:
    """The latest change of that registered model's champion."""
    return next((change for change in reversed(read(root)) if change["model"] == model), None)


def append(root: Path, change: dict[str, Any]) -> None:
    """Add one change, made by `entry`."""
    lines = [json.dumps(known, ensure_ascii=False, sort_keys=True) for known in [*read(root), change]]
    write_text(path(root), "\n".join(lines) + "\n")


def entry(model: str, version: dict[str, str], tags: dict[str, str]) -> dict[str, Any]:
    """One change: the registered model, the tags of the version that became champion, the tags that say why."""
    return {
        "model": model,
        "fingerprint": fingerprint_of(version) or "",
        "experiment": experiment_of(version) or "",
        "tags": tags,
    }
