"""Loading the model that a command uses."""

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
    """The option --model of a command that by default uses the champion of the only registered `what`."""
    return typer.Option(
        help="An experiment, or a model of the registry, as in the other commands.",
        show_default=f"the champion, if one {what} is registered",
    )


# The name of a model of each task, and the commands that need one.
DESCRIPTIONS = {
    "language": ("a language model", "`generate` and `score` need"),
    "cloze": ("a cloze model", "`fill` needs"),
    "classification": ("a classifier", "`classify` needs"),
    "video": ("a video classifier", "`classify` needs"),
    "captioning": ("a captioning model", "`caption` needs"),
    "translation": ("a translation model", "`translate` needs"),
    "forecasting": ("a forecaster", "`forecast` needs"),
    "memory": ("a model of the memory tasks", ""),
}


def load(name: str | None, task: str, *others: str) -> Any:
    """The loaded model of an experiment, or of a reference to a registered model.

    Args:
        name: the experiment or the reference; None: the champion of the only registered model of `task`.
        task: the task of the model.
        others: further tasks whose models are allowed.

    Raises:
        ParamsError: there is no such experiment.
        AnamnesisError: the model has another task, is not trained, or is damaged.
    """
    from anamnesis import numerics

    # Before NumPy is imported, which reads the pinned environment variables.
    numerics.pin()
    from anamnesis import models

    root = location.enter()
    if name is None:
        from anamnesis.tracking.registry import only_model

        name = f"{only_model(task)}@champion"
    if "@" in name or "/" in name:
        from anamnesis.tracking.registry import resolve

        folder = resolve(name)
    else:
        _check_name(name, root)
        folder = root / "models" / name
        if not (folder / "model.json").exists():
            raise AnamnesisError(f"{name} is not trained yet: {location.command()} repro {name}")
    model_task = models.read_card(folder).get("task")
    if model_task not in (task, *others):
        description, _ = DESCRIPTIONS.get(str(model_task), ("another kind of model", ""))
        needed, commands = DESCRIPTIONS[task]
        raise AnamnesisError(f"{name} is {description}; {commands} {needed}{_example(task, root)}")
    return models.load(folder)


def _check_name(name: str, root: Path) -> None:
    """Raise an error that suggests the nearest experiment or registered model, if `name` is not an experiment."""
    from anamnesis import params
    from anamnesis.tracking import selection

    experiments = params.load(root / "params.yaml").experiments
    references = [f"{each.model}@champion" for each in selection.read_selection(root)]
    if name not in experiments and f"{name}@champion" in references:
        raise ParamsError(f"no experiment is named {name!r}; did you mean the registered model '{name}@champion'?")
    params.lookup(experiments, name, "experiment", references)


def _example(task: str, root: Path) -> str:
    """The end of a sentence with an example of a task's experiments, if possible one that is registered or trained."""
    from anamnesis import params
    from anamnesis.tracking import selection

    experiments = params.load(root / "params.yaml").experiments
    names = [name for name, each in experiments.items() if each.task == task]
    trained = [name for name in names if (root / "models" / name / "model.json").exists()]
    registered = [each.experiment for each in selection.read_selection(root) if each.experiment in trained]
    return f", such as {(registered or trained or names)[0]}" if names else ""
