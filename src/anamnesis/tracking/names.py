"""Names of runs, which show the settings that differ between trainings of one experiment."""

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

# Settings in a name, and characters of a value: more do not fit on MLflow's pages.
SHOWN = 3
LONGEST = 24


def run_name(name: str, settings: Mapping[str, Any], root: Path) -> str:
    """The name of a run, such as 'hello-rnn epochs=3 (crass-volt)'.

    It consists of the experiment's name, the settings that differ from those in the current commit, and, in a run by
    `dvc exp run`, the name of the DVC experiment.

    Args:
        name: the experiment's name in params.yaml.
        settings: the experiment's settings, or the card of its model, which contains them.
        root: the project's folder.
    """
    changes = changed_settings(settings, _read_committed(root, git_commit(root)).get(name, {}))
    shown = [f"{key}={value if len(value) <= LONGEST else f'{value[:LONGEST]}…'}" for key, value in changes.items()]
    experiment = os.environ.get("DVC_EXP_NAME")
    parts = [name, *shown[:SHOWN], *(["…"] if len(shown) > SHOWN else []), *([f"({experiment})"] if experiment else [])]
    return " ".join(parts)


def changed_settings(settings: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, str]:
    """The settings that differ from `before`, as text, by the last part of the key where that is unique.

    Args:
        settings: nested settings; top-level keys that `before` lacks are ignored.
        before: nested settings; empty if there is nothing to compare with.
    """
    # In a model's card, this key is the size of the network.
    keys = before.keys() - {"parameters"}
    new, old = (flatten({key: each[key] for key in each if key in keys}) for each in (settings, before))
    changes = {key: new.get(key, "null") for key in sorted(new.keys() | old.keys()) if new.get(key) != old.get(key)}
    last = [key.rpartition(".")[2] for key in changes]
    return {short if last.count(short) == 1 else key: changes[key] for key, short in zip(changes, last, strict=True)}


@cache
def _read_committed(root: Path, commit: str | None) -> dict[str, dict[str, Any]]:
    """The settings of each experiment in a commit; empty without a commit, or if its params.yaml is not valid."""
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
