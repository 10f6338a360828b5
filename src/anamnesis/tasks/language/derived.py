"""What an experiment may start from: the rules of `start` in params.yaml."""

from collections.abc import Mapping
from typing import Any

from anamnesis.data.tokenizers.settings import Tokens
from anamnesis.tasks.language import settings


def problem(
    name: str, experiment: Any, experiments: Mapping[str, Any], derived: Mapping[str, Any], tokens: Mapping[str, Tokens]
) -> tuple[str, str] | None:
    """What is wrong with an entry of `derived`: the key, below the entry, and what to say of it; None: nothing.

    Args:
        name: the entry's name.
        experiment: its settings.
        experiments: the entries of `experiments` that may be started from.
        derived: all entries of `derived`.
        tokens: the entries of `tokens`; those named by experiments are among them.
    """
    start = experiment.needed_model
    if start is None:
        return "needs", "missing, it must be given; without it the entry belongs under `experiments`"
    if start == name:
        return "needs", f"found {start!r}, the experiment itself; allowed: another one, of `experiments`"
    if start in derived:
        return "needs", f"found {start!r}, which starts from another experiment itself; chains are not supported"
    if start not in experiments:
        return "needs", f"found {start!r}, which no entry of `experiments` is named"
    model = experiments[start]
    if not (isinstance(model, settings.Experiment) and isinstance(model.model, settings.Reader)):
        return "needs", f"found {start!r}; allowed: a recurrent next-token model"
    if not isinstance(experiment, settings.Experiment):
        return None
    own, its = tokens[experiment.tokens], tokens[model.tokens]
    another = f"a fine-tune from an experiment with another tokenizer: {start} reads"
    if own.kind != its.kind:
        return "tokens", f"found {experiment.tokens!r}, {another} {its.kind}, this store holds {own.kind}"
    if own.kind == "words" and experiment.tokens != model.tokens:
        return (
            "tokens",
            f"found {experiment.tokens!r}, {another} the words of {model.tokens}, which do not spell others",
        )
    if experiment.model != model.model:
        return (
            "model",
            f"found another model than that of {start}, whose weights it starts with; allowed: the same block",
        )
    return None
