"""The order of dvc.lock, which must not tell how many stages ran side by side."""

import json
from pathlib import Path

from anamnesis import files

PENDING = ".anamnesis/lock-order.json"


def remember(root: Path) -> list[str]:
    """The stages of dvc.lock in their order before the first run that has not ended well since."""
    pending = root / PENDING
    if pending.exists():
        stages: list[str] = json.loads(pending.read_text(encoding="utf-8"))
        return stages
    stages = _stages(root / "dvc.lock")
    files.write_json(pending, stages)
    return stages


def order(root: Path, before: list[str], plan: list[str]) -> None:
    """Put dvc.lock in the order in which one plain `dvc repro` would have written it.

    DVC keeps a stage where it stands and appends a new one when it has run, so that order is `before`, then the new
    stages in the order of the plan.
    """
    from dvc.utils.serialize import modify_yaml

    path = root / "dvc.lock"
    now = _stages(path)
    wanted = [name for name in dict.fromkeys([*before, *plan, *now]) if name in now]
    if wanted != now:
        with modify_yaml(str(path)) as content:
            for name in wanted:
                content["stages"].move_to_end(name)
    (root / PENDING).unlink(missing_ok=True)


def _stages(path: Path) -> list[str]:
    from dvc.utils.serialize import load_yaml

    return list(load_yaml(str(path)).get("stages", {})) if path.exists() else []
