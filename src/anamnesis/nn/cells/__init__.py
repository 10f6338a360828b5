"""Recurrent cells: one file for each, named as the `architecture` that selects it.

A file holds one public class, which is an `nn.Module` and a `Layer`. The arguments of its constructor after `inputs`
and `hidden` are the options of the cell in params.yaml; their annotations say what values are allowed. They are read
from the source, because importing a cell imports PyTorch.
"""

import ast
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

FOLDER = Path(__file__).parent
# The names that the annotations of options may use.
ANNOTATIONS = {"Annotated": Annotated, "Field": Field, "Literal": Literal}


@cache
def names() -> tuple[str, ...]:
    """The architectures that have a file here."""
    return tuple(sorted(path.stem.replace("_", "-") for path in FOLDER.glob("[a-z]*.py")))


def new_layer(architecture: str, inputs: int, hidden: int, **options: Any) -> Any:
    """A new recurrent layer, an `nn.Module` that is a `Layer`.

    Args:
        architecture: one of `names`, or "cell" for an own class, which the option `cell` names.
        inputs: features of one time step.
        hidden: units of the hidden state.
        options: further arguments of the cell's constructor.

    Raises:
        AnamnesisError: an option is not allowed, or an own class is not a recurrent layer.
    """
    if architecture == "cell":
        from anamnesis.nn.own import new_cell

        return new_cell(options.pop("cell"), inputs, hidden, **options)
    module = import_module(f"{__name__}.{architecture.replace('-', '_')}")
    return getattr(module, _class(architecture).name)(inputs, hidden, **options)


@cache
def options_of(architecture: str) -> dict[str, tuple[Any, Any]]:
    """The type and the default value of each option of a cell; `...` stands for a required one."""
    methods = {each.name: each for each in _class(architecture).body if isinstance(each, ast.FunctionDef)}
    if "__init__" not in methods:
        return {}
    arguments = methods["__init__"].args
    _, inputs, hidden, *options = arguments.args
    assert (inputs.arg, hidden.arg) == ("inputs", "hidden"), f"{architecture}: the first arguments are inputs, hidden"
    defaults = [ast.literal_eval(each) for each in arguments.defaults]
    values = [...] * (len(options) - len(defaults)) + defaults
    return {option.arg: (_type(option.annotation), value) for option, value in zip(options, values, strict=True)}


def title_of(architecture: str) -> str:
    """The first line of the cell's docstring."""
    return (ast.get_docstring(_class(architecture)) or "").partition("\n")[0]


@cache
def _class(architecture: str) -> ast.ClassDef:
    """The public class in the file of a cell."""
    source = (FOLDER / f"{architecture.replace('-', '_')}.py").read_text(encoding="utf-8")
    classes = [each for each in ast.parse(source).body if isinstance(each, ast.ClassDef) and each.name[0] != "_"]
    assert len(classes) == 1, f"{architecture}: allowed: one public class in the file of a cell"
    return classes[0]


def _type(annotation: ast.expr | None) -> Any:
    assert annotation is not None, "options need annotations"
    # The expression stands in a file of this package.
    return eval(ast.unparse(annotation), {**ANNOTATIONS})
