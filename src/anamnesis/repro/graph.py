"""The pipeline as DVC sees it: which stages there are, what each needs, and which are up to date."""

import time
from dataclasses import dataclass
from pathlib import Path

from anamnesis.errors import AnamnesisError, ParamsError
from anamnesis.params import Params, suggest

# So long another DVC at work, or the remains of one that was killed, is waited for.
LOCK_SECONDS = 10.0


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml.

    Attributes:
        name: DVC's address of it, such as `train@sherlock-lstm`.
        needs: the stages whose outputs it reads, as far as they belong to the plan.
        current: nothing that it or any stage before it depends on has changed.
    """

    name: str
    needs: frozenset[str]
    current: bool


def plan(root: Path, targets: list[str]) -> list[Stage]:
    """The stages that `dvc repro TARGETS` would go through, in its order.

    Args:
        root: the project's folder, which must be the working directory, for DVC reads targets relative to that.
        targets: addresses of stages; empty: all of dvc.yaml.

    Raises:
        AnamnesisError: DVC cannot read the project; the line is DVC's own.
    """
    from dvc.exceptions import DvcException
    from dvc.lock import LockError

    patience = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return _plan(root, targets)
        except DvcException as error:
            if not isinstance(error, LockError) or time.monotonic() > patience:
                raise AnamnesisError(f"DVC: {' '.join(str(error).split())}") from None
        time.sleep(0.5)


def _plan(root: Path, targets: list[str]) -> list[Stage]:
    from dvc.repo import Repo
    from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro

    stages: dict[str, Stage] = {}
    with Repo(str(root)) as repo, repo.lock:
        graph = get_active_graph(repo.index.graph)
        steps = plan_repro(graph, collect_stages(repo, targets or ["dvc.yaml"]))
        known = {step.addressing for step in steps}
        for step in steps:
            needs = frozenset(other.addressing for other in graph.successors(step)) & known
            current = all(stages[need].current for need in needs) and not step.changed()
            stages[step.addressing] = Stage(step.addressing, needs, current)
    return list(stages.values())


def targets_of(names: list[str], params: Params) -> list[str]:
    """The addresses of stages meant by what a user typed.

    Args:
        names: stages (`train@sherlock-lstm`), whole kinds of stages (`train`), or entries of params.yaml:
            an experiment stands for its evaluation, a token store or corpus for the stage that makes it.

    Raises:
        ParamsError: a name is none of these; the line suggests the nearest.
    """
    entries = {("fetch", name): f"fetch@{name}" for name in params.corpora}
    entries |= {("tokenize", name): f"tokenize@{name}" for name in params.tokens}
    for kind in ("train", "evaluate"):
        entries |= {(kind, name): f"{kind}{suffix_of(name, params)}@{name}" for name in params.experiments}
    meaning: dict[str, list[str]] = {"compare": ["compare"], "register": ["register"]}
    for kind, name in sorted(entries):
        meaning.setdefault(kind, []).append(entries[kind, name])
    # The same name under any kind of training, for nobody remembers which section an experiment stands in.
    meaning |= {f"{kind}@{name}": [stage] for (kind, name), stage in entries.items()}
    meaning |= {stage: [stage] for stage in entries.values()}
    for wanted in ("fetch", "tokenize", "evaluate"):
        meaning |= {name: [stage] for (kind, name), stage in entries.items() if kind == wanted}
    for name in names:
        if name not in meaning:
            raise ParamsError(f"no stage or experiment is named {name!r}; {suggest(name, list(meaning))}")
    return list(dict.fromkeys(target for name in names for target in meaning[name]))


def suffix_of(name: str, params: Params) -> str:
    """What follows `train` and `evaluate` in the names of an experiment's stages: '', '-derived' or '-own'."""
    return "-derived" if name in params.derived else "-own" if name in params.own else ""
