"""The stages that a user means: by their own names, by their kind, or by an entry of params.yaml."""

from anamnesis.errors import ParamsError
from anamnesis.params import Params, suggest


def targets_of(names: list[str], params: Params) -> list[str]:
    """The addresses of stages meant by what a user typed.

    Args:
        names: stages (`train@sherlock-lstm`), whole kinds of stages (`train`), or entries of params.yaml:
            an experiment stands for its evaluation, a token store or corpus for the stage that makes it.

    Raises:
        ParamsError: a name is none of these; the line suggests the nearest.
    """
    entries = {
        ("fetch", name): f"fetch{'-own' if name in params.own_corpora else ''}@{name}" for name in params.corpora
    }
    entries |= {("tokenize", name): f"tokenize@{name}" for name in params.tokens}
    for kind in ("train", "evaluate"):
        entries |= {(kind, name): f"{kind}{suffix_of(name, params)}@{name}" for name in params.experiments}
    meaning: dict[str, list[str]] = {"compare": ["compare"], "register": ["register"]}
    for kind, name in sorted(entries):
        meaning.setdefault(kind, []).append(entries[kind, name])
    # The same name under any kind of stage, for nobody remembers which section an entry stands in.
    meaning |= {f"{kind}@{name}": [stage] for (kind, name), stage in entries.items()}
    meaning |= {stage: [stage] for stage in entries.values()}
    for wanted in ("fetch", "tokenize", "evaluate"):
        meaning |= {name: [stage] for (kind, name), stage in entries.items() if kind == wanted}
    for name in names:
        if name not in meaning:
            raise ParamsError(f"no stage or experiment is named {name!r}; {suggest(name, list(meaning))}")
    return list(dict.fromkeys(target for name in names for target in meaning[name]))


def suffix_of(name: str, params: Params) -> str:
    """What follows `train` and `evaluate` in the names of an experiment's stages: '' or '-dependent'."""
    return "-dependent" if name in params.dependent else ""
