"""Names of stages and experiments on the command line, resolved to the stages of dvc.yaml."""

from anamnesis.errors import ParamsError
from anamnesis.params import Params, suggest


def resolve_targets(names: list[str], params: Params) -> list[str]:
    """The stages for the names that a user typed, each once.

    Args:
        names: stages (`train@sherlock-lstm`), groups of stages (`train`), or entries of the settings: an experiment
            stands for its evaluation, a token store or corpus for the stage that writes it.

    Raises:
        ParamsError: there is no such stage or entry; the message suggests the nearest name.
    """
    stages = {("fetch", name): f"fetch{'-own' if name in params.own_corpora else ''}@{name}" for name in params.corpora}
    stages |= {("tokenize", name): f"tokenize@{name}" for name in params.tokens}
    for kind in ("train", "evaluate"):
        stages |= {
            (kind, name): f"{kind}{'-dependent' if name in params.dependent else ''}@{name}"
            for name in params.experiments
        }
    resolved: dict[str, list[str]] = {"compare": ["compare"], "register": ["register"]}
    for kind, name in sorted(stages):
        resolved.setdefault(kind, []).append(stages[kind, name])
    # `train@NAME` also finds `train-dependent@NAME`: users need not know the section of an entry.
    resolved |= {f"{kind}@{name}": [stage] for (kind, name), stage in stages.items()}
    resolved |= {stage: [stage] for stage in stages.values()}
    for wanted in ("fetch", "tokenize", "evaluate"):
        resolved |= {name: [stage] for (kind, name), stage in stages.items() if kind == wanted}
    for name in names:
        if name not in resolved:
            raise ParamsError(f"no stage or experiment is named {name!r}; {suggest(name, list(resolved))}")
    return list(dict.fromkeys(stage for name in names for stage in resolved[name]))
