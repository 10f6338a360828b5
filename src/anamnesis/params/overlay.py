"""The changes of a profile, merged over the content of params.yaml and corpora.yaml."""

from typing import Any

from anamnesis.errors import ParamsError, suggest
from anamnesis.params.messages import show
from anamnesis.params.schema import SECTIONS


def apply_profile(content: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """The content of params.yaml and corpora.yaml with other budgets: `overlay` merged over it, mapping by mapping.

    The key `*` stands for every entry of the mapping it is in; what is given by name comes after it and wins. Below a
    `*`, a mapping is merged only where there is one, so that `training: {epochs: 1}` makes no baseline a network; the
    block `trainer` also where there is a block `training` with epochs.

    The key `repeat`, which params.yaml does not have, says how often an experiment is to be run: `{NAME: 3}` puts
    NAME-seed2 and NAME-seed3 after NAME, the same but for seeds one and two higher.

    Raises:
        ParamsError: `repeat` names no experiment, or less than two runs.
    """
    overlay = dict(overlay)
    repeat = overlay.pop("repeat", {})
    return _repeat_seeds(_merge(content, overlay, everywhere=False), repeat)


def _merge(content: dict[str, Any], overlay: dict[str, Any], everywhere: bool) -> dict[str, Any]:
    result = dict(content)
    if "*" in overlay:
        if not isinstance(overlay["*"], dict):
            raise ParamsError(f"*: found {show(overlay['*'])}; allowed: a mapping")
        entries = {name: entry for name, entry in result.items() if isinstance(entry, dict)}
        result |= {name: _merge(entry, overlay["*"], everywhere=True) for name, entry in entries.items()}
    for key, value in overlay.items():
        if key == "*":
            continue
        there = result.get(key)
        if not isinstance(value, dict):
            result[key] = value
        elif isinstance(there, dict) or not everywhere or _is_trained(key, result):
            result[key] = _merge(there if isinstance(there, dict) else {}, value, everywhere)
    return result


def _is_trained(key: str, entry: dict[str, Any]) -> bool:
    """Whether the key is `trainer`, and the entry one that has a use for it."""
    training = entry.get("training")
    return key == "trainer" and isinstance(training, dict) and "epochs" in training


def _repeat_seeds(content: dict[str, Any], repeat: Any) -> dict[str, Any]:
    """`content` with the copies that `repeat` asks for."""
    if not isinstance(repeat, dict):
        raise ParamsError(f"repeat: found {show(repeat)}; allowed: a mapping of experiments to numbers of runs")
    sections = {name: part for part in SECTIONS if isinstance(content.get(part), dict) for name in content[part]}
    for name, runs in repeat.items():
        if name not in sections:
            raise ParamsError(f"repeat.{name}: no experiment is named {name!r}; {suggest(str(name), list(sections))}")
        if type(runs) is not int or runs < 2:
            raise ParamsError(f"repeat.{name}: found {show(runs)}; allowed: a whole number, at least 2")
    result = dict(content)
    for section in dict.fromkeys(sections.values()):
        result[section] = {}
        for name, entry in content[section].items():
            result[section][name] = entry
            # `check` names an entry that is no mapping.
            for run in range(2, repeat.get(name, 1) + 1 if isinstance(entry, dict) else 0):
                copy = f"{name}-seed{run}"
                if copy in sections:
                    raise ParamsError(f"repeat.{name}: there is already an experiment {copy!r}")
                seed = entry.get("seed", 1)
                if type(seed) is not int:
                    raise ParamsError(f"{section}.{name}.seed: found {show(seed)}; allowed: a whole number")
                result[section][copy] = entry | {"seed": seed + run - 1}
    return result
