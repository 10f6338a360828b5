"""The names of runs, which tell the trainings of one experiment apart."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from anamnesis import params as parameters
from anamnesis.errors import AnamnesisError
from anamnesis.tracking.results import flatten
from anamnesis.tracking.store import git_commit

# More changes than these do not fit on MLflow's pages.
SHOWN = 3
LONGEST = 24


def run_name(name: str, settings: Mapping[str, Any], root: Path) -> str:
    """The name of a run, such as 'hello-rnn epochs=3 (crass-volt)'.

    It is the experiment's name, then the settings that differ from those in the commit that is checked out, then the
    name of the DVC experiment inside of `dvc exp run`.

    Args:
        name: of the experiment.
        settings: of the experiment, or the card of its model, which holds them among other things.
        root: the project's folder.
    """
    changes = changed_settings(settings, _committed(root, git_commit(root)).get(name, {}))
    shown = [f"{key}={value if len(value) <= LONGEST else f'{value[:LONGEST]}…'}" for key, value in changes.items()]
    experiment = os.environ.get("DVC_EXP_NAME")
    parts = [name, *shown[:SHOWN], *(["…"] if len(shown) > SHOWN else []), *([f"({experiment})"] if experiment else [])]
    return " ".join(parts)


def changed_settings(settings: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, str]:
    """Key -> value of the settings that differ from those before, by the last part of the key where that is unique.

    Args:
        settings: nested; keys that `before` lacks on the top level are left out.
        before: nested; empty if there is nothing to compare with.
    """
    # The card of a model has the size of its network under this key.
    keys = before.keys() - {"parameters"}
    now, then = (flatten({key: each[key] for key in each if key in keys}) for each in (settings, before))
    changes = {key: now.get(key, "null") for key in sorted(now.keys() | then.keys()) if now.get(key) != then.get(key)}
    last = [key.rpartition(".")[2] for key in changes]
    return {short if last.count(short) == 1 else key: changes[key] for key, short in zip(changes, last, strict=True)}


@cache
def _committed(root: Path, commit: str | None) -> dict[str, dict[str, Any]]:
    """Experiment -> its settings in a commit; empty where there is none, or where this version cannot read them."""
    if commit is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        for name in (parameters.PARAMS, parameters.CORPORA):
            command = ["git", "-C", str(root), "show", f"{commit}:./{name}"]
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode:
                return {}
            (Path(folder) / name).write_bytes(done.stdout)
        try:
            experiments = parameters.load(Path(folder) / parameters.PARAMS).experiments
        except AnamnesisError:
            return {}
    return {name: experiment.model_dump(mode="json") for name, experiment in experiments.items()}
