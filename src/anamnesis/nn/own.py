"""Own cells: classes in files of the folder cells/."""

import importlib.util
import inspect
import re
import sys
import traceback
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

import anamnesis
from anamnesis.errors import AnamnesisError
from anamnesis.nn import CELL
from anamnesis.nn.layer import Layer

FOLDER = "cells"
# Sizes of the segment that checks a new layer.
TIME, BATCH = 2, 3


def new_cell(cell: str, inputs: int, hidden: int, **options: Any) -> Any:
    """A new layer of the class `cell`, after it has read a tiny segment.

    Args:
        cell: "file:Class", as for `cell_class`.
        inputs: features of one time step.
        hidden: units of the hidden state.
        options: further arguments of the class.

    Raises:
        AnamnesisError: the class cannot be found, takes other options, or does not return what `Layer` states.
    """
    kind = cell_class(cell)
    try:
        inspect.signature(kind).bind(inputs, hidden, **options)
    except TypeError as error:
        given = ", ".join(["inputs", "hidden", *options])
        raise AnamnesisError(f"cell {cell}: {kind.__name__} cannot be called with ({given}): {error}") from None
    layer = kind(inputs, hidden, **options)
    _check(cell, layer, inputs)
    return layer


def cell_class(cell: str) -> type:
    """The class `Class` of the file cells/file.py, for `cell` "file:Class"; a file is read once.

    The folder is in the working directory, which is the project's folder for a stage. A registered model has its own
    copy beside its copy of this package, which comes first.

    Raises:
        AnamnesisError: there is no such file or class, the file cannot be imported, or the class is no recurrent
            layer.
    """
    if not re.fullmatch(CELL, cell):
        raise AnamnesisError(f"cell: found {cell!r}; allowed: a file of {FOLDER}/ and its class, such as mgu:MGU")
    file, name = cell.split(":")
    folders = [Path(anamnesis.__file__).parent.parent / FOLDER, Path.cwd() / FOLDER]
    path = next((path for folder in folders if (path := folder / f"{file}.py").is_file()), None)
    if path is None:
        there = sorted(path.stem for path in folders[-1].glob("*.py"))
        raise AnamnesisError(f"cell {cell}: no file {FOLDER}/{file}.py; found in {FOLDER}/: {_join_names(there)}")
    module = _module(path.resolve())
    own = [each for each, kind in vars(module).items() if isinstance(kind, type) and kind.__module__ == module.__name__]
    kind = getattr(module, name, None)
    if not isinstance(kind, type):
        raise AnamnesisError(f"cell {cell}: {FOLDER}/{file}.py has no class {name}; its classes: {_join_names(own)}")
    if not (issubclass(kind, nn.Module) and issubclass(kind, Layer)):
        raise AnamnesisError(f"cell {cell}: {name} must derive from torch.nn.Module and anamnesis.nn.layer.Layer")
    return kind


@cache
def _module(path: Path) -> ModuleType:
    name = f"{FOLDER}.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    # Data classes look up their module here while they are created.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        place = f", line {lines[-1]}" if lines else ""
        raise AnamnesisError(
            f"{FOLDER}/{path.name}{place}: cannot be imported: {type(error).__name__}: {error}"
        ) from error
    return module


def _check(cell: str, layer: Any, inputs: int) -> None:
    """Compare the layer's outputs with the sizes it states; the caller's random state does not change."""
    sizes = getattr(layer, "state_sizes", None)
    if not isinstance(getattr(layer, "outputs", None), int):
        raise AnamnesisError(f"cell {cell}: set self.outputs to the number of features of an output")
    if not (isinstance(sizes, tuple) and sizes and all(isinstance(size, int) for size in sizes)):
        raise AnamnesisError(f"cell {cell}: set self.state_sizes to a tuple with the size of each part of the state")
    like = next(layer.parameters(), None)
    if like is None:
        raise AnamnesisError(f"cell {cell}: the layer has no parameters")
    if like.device.type == "meta":
        # The meta device has shapes only.
        return
    training = layer.training
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            layer.eval()
            result = layer(like.new_zeros(TIME, BATCH, inputs), layer.initial_state(BATCH))
        except Exception as error:
            shape = (TIME, BATCH, inputs)
            said = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise AnamnesisError(f"cell {cell}: forward fails on inputs of shape {shape}: {said}") from error
        finally:
            layer.train(training)
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], tuple)):
        raise AnamnesisError(f"cell {cell}: forward must return the outputs and a tuple, the state after the last step")
    outputs, state = result
    _same(cell, "outputs", (TIME, BATCH, layer.outputs), outputs)
    if len(state) != len(sizes):
        raise AnamnesisError(
            f"cell {cell}: state_sizes names {len(sizes)} parts of the state, forward gives {len(state)}"
        )
    for index, (part, size) in enumerate(zip(state, sizes, strict=True)):
        _same(cell, f"part {index} of the state", (BATCH, size), part)


def _same(cell: str, what: str, shape: tuple[int, ...], found: Any) -> None:
    if not isinstance(found, Tensor) or tuple(found.shape) != shape:
        shown = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise AnamnesisError(f"cell {cell}: {what}: found {shown}; promised: {shape}")


def _join_names(names: list[str]) -> str:
    return ", ".join(names) or "(none)"
