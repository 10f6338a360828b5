"""Which model a command uses, and loading it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from anamnesis.cli import location
from anamnesis.errors import AnamnesisError, ParamsError

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="An experiment (sherlock-lstm), or a model of the registry with an alias (language-sherlock@champion) "
        "or a version (language-sherlock/2).",
    ),
]


def option(what: str) -> Any:
    """The option --model of a command that uses the champion where only one `what` is registered."""
    return typer.Option(
        help="An experiment, or a model of the registry, as in the other commands.",
        show_default=f"the champion, if one {what} is registered",
    )


# Each kind of model: the task that it was trained for, and what it is called.
KINDS = {
    "next-token": ("language", "a language model"),
    "cloze": ("language", "a model that fills blanks"),
    "word-number": ("language", "a model of word numbers"),
    "passage": ("language", "a classifier of passages"),
    "translation": ("translation", "a translation model"),
    "classification": ("classification", "a classifier"),
    "captioning": ("captioning", "a captioning model"),
    "forecasting": ("forecasting", "a forecaster"),
    "memory": ("memory", "a model of memory tasks"),
}
NEEDS = {
    "next-token": "`generate` and `score` need",
    "cloze": "`fill` needs",
    "translation": "`translate` needs",
    "classification": "`classify` needs",
    "captioning": "`caption` needs",
    "forecasting": "`forecast` needs",
}
# The leaderboards that are not called as the task is.
CALLED = {"forecasting": "forecast", "captioning": "caption"}


def load(name: str | None, kind: str = "next-token", *others: str) -> Any:
    """The model of an experiment or of a reference into the registry, checked and loaded.

    Args:
        name: None: the champion of the only registered model of the leaderboard of `kind`.
        kind: an entry of `KINDS`.
        others: further entries that will do.

    Raises:
        ParamsError: there is no such experiment.
        AnamnesisError: it is a model of another kind, is not trained, or is damaged.
    """
    from anamnesis import numerics, serving

    numerics.pin()
    root = location.enter()
    if name is None:
        from anamnesis.tracking.registry import only

        name = f"{only(CALLED.get(kind, kind))}@champion"
    if "@" in name or "/" in name:
        from anamnesis.tracking.registry import resolve

        folder = resolve(name)
    else:
        _check_name(name, root)
        folder = root / "models" / name
        if not (folder / "model.json").exists():
            raise AnamnesisError(f"{name} is not trained yet: {location.command()} repro {name}")
    from anamnesis.training.saved import read_card

    card = read_card(folder)
    found = card.get("objective", card.get("task"))
    if found not in (kind, *others):
        _, called = KINDS.get(str(found), ("", "another kind of model"))
        raise AnamnesisError(f"{name} is {called}; {NEEDS[kind]} {KINDS[kind][1]}{_example(kind, root)}")
    return serving.module(KINDS[found][0]).load(folder)


def _check_name(name: str, root: Path) -> None:
    """Refuse a name of no experiment, with the nearest experiment or registered model."""
    from anamnesis import params
    from anamnesis.tracking import registration

    experiments = params.load(root / "params.yaml").experiments
    references = [f"{each.model}@champion" for each in registration.chosen(root)]
    if name not in experiments and f"{name}@champion" in references:
        raise ParamsError(f"no experiment is named {name!r}; did you mean the registered model '{name}@champion'?")
    params.lookup(experiments, name, "experiment", references)


def _example(kind: str, root: Path) -> str:
    """The end of a sentence: an experiment of a kind, a registered one if there is one, else a trained one."""
    from anamnesis import params
    from anamnesis.tracking import registration

    experiments = params.load(root / "params.yaml").experiments
    names = [name for name, each in experiments.items() if kind == getattr(each, "objective", each.task)]
    trained = [name for name in names if (root / "models" / name / "model.json").exists()]
    registered = [each.experiment for each in registration.chosen(root) if each.experiment in trained]
    return f", such as {(registered or trained or names)[0]}" if names else ""
