"""Which model a command uses, and loading it."""

from importlib import import_module
from typing import Annotated, Any

import typer

from anamnesis.cli import location
from anamnesis.errors import AnamnesisError

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


# What a command asks of a model: the task it was trained for, and what it learned.
LEARNED = {
    "next-token": ("language", "the next token"),
    "cloze": ("language", "to fill blanks"),
    "translation": ("translation", "to translate"),
    "classification": ("classification", "to classify"),
    "passage": ("language", "to classify"),
    "captioning": ("captioning", "to caption"),
    "forecasting": ("forecasting", "to forecast"),
}
# The leaderboards that are not called as the task is.
CALLED = {"forecasting": "forecast", "captioning": "caption"}


def load(name: str | None, kind: str = "next-token", *others: str) -> Any:
    """The model of an experiment or of a reference into the registry, checked and loaded.

    Args:
        name: None: the champion of the only registered model of the leaderboard of `kind`.
        kind: an entry of `LEARNED`.
        others: further entries that will do.

    Raises:
        AnamnesisError: it learned something else, is not trained, or is damaged.
    """
    from anamnesis import numerics

    numerics.pin()
    root = location.enter()
    if name is None:
        from anamnesis.tracking.registry import only

        name = f"{only(CALLED.get(kind, kind))}@champion"
    if "@" in name or "/" in name:
        from anamnesis.tracking.registry import resolve

        folder = resolve(name)
    else:
        from anamnesis import params

        params.lookup(params.load(root / "params.yaml").experiments, name, "experiment")
        folder = root / "models" / name
        if not (folder / "model.json").exists():
            raise AnamnesisError(f"{name} is not trained yet: {location.command()} repro {name}")
    from anamnesis.training.saved import read_card

    card = read_card(folder)
    found = card.get("objective", card.get("task"))
    if found not in (kind, *others):
        raise AnamnesisError(
            f"{name} did not learn {LEARNED[kind][1]}; `anamnesis list` shows what each experiment is about"
        )
    return import_module(f"anamnesis.{LEARNED[found][0]}.serving").load(folder)
