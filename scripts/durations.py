"""Write pipelines/durations.json: the seconds of each stage in this working copy, for estimates elsewhere.

Run `python scripts/durations.py` after `make repro` in a clone without results.
"""

import json
from pathlib import Path

from anamnesis import files
from anamnesis.engine.estimate import DURATIONS, SHIPPED
from anamnesis.errors import AnamnesisError

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Copy the durations of the stages in dvc.lock; other durations belong to removed experiments."""
    if not (ROOT / DURATIONS).is_file():
        raise AnamnesisError(f"{DURATIONS}: there is no such file; run `make repro` first")
    durations = json.loads((ROOT / DURATIONS).read_text(encoding="utf-8"))
    lock = (ROOT / "dvc.lock").read_text(encoding="utf-8")
    files.write_json(ROOT / SHIPPED, {name: value for name, value in durations.items() if f"\n  {name}:\n" in lock})


if __name__ == "__main__":
    from anamnesis import console

    console.run(main)
