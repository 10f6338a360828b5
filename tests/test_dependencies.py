"""Every stage of dvc.yaml, and the key of checkpoints, names the code that the stage imports, and no other."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from anamnesis import tasks
from anamnesis.nn import cells
from anamnesis.training.state import CODE

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
STAGES = {
    name: stage.get("do", stage)
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"].items()
}
# They check input, print, limit the time of a served model, and mirror results in MLflow. No byte of an output depends
# on them or on what they import.
EXEMPT = {
    "anamnesis.console",
    "anamnesis.deadline",
    "anamnesis.errors",
    "anamnesis.params",
    "anamnesis.project",
    "anamnesis.schema",
    "anamnesis.tracking.live",
    "anamnesis.tracking.scores",
}
# What the modules that compute the name of an import may import.
COMPUTED = {
    "anamnesis.nn.cells": {f"anamnesis.nn.cells.{name.replace('-', '_')}" for name in cells.names()},
    "anamnesis.tasks": set(),  # `imported` reads the calls of `part`.
    "anamnesis.tracking.registration": set(),  # It packs all code for MLflow.
}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def file(module: str) -> Path | None:
    """The file of a module or package of ours."""
    path = SOURCE.joinpath(*module.split("."))
    return next((each for each in (path / "__init__.py", path.with_suffix(".py")) if each.is_file()), None)


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below `node`, also in functions, without the imports for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from statements(child)


@cache
def imported(path: Path, module: str) -> frozenset[str]:
    """The modules of ours that a file imports anywhere; `tasks.part(x, "name")` gives `tasks.TASK.name`."""
    modules: set[str] = set()
    for node in statements(tree(path)):
        match node:
            case ast.Import(names=names):
                modules |= {each.name for each in names}
            case ast.ImportFrom(module=parent, names=names, level=level):
                assert level == 0, f"{path}: relative imports are not followed"
                modules |= {whole if file(whole := f"{parent}.{each.name}") else str(parent) for each in names}
            case ast.Call(func=ast.Attribute(attr="part"), args=[_, ast.Constant(value=str(name))]):
                modules.add(f"anamnesis.tasks.TASK.{name}")
            case ast.Call(func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module")):
                assert module in COMPUTED, f"{module} computes the name of an import: say in COMPUTED what it may be"
                modules |= COMPUTED[module]
    return frozenset(each for each in modules if each.split(".")[0] == "anamnesis")


def closure(roots: set[str], stage: str, task: str | None, exempt: set[str]) -> set[str]:
    """The modules that importing `roots` and calling anything in them imports."""
    modules: set[str] = set()
    left = set(roots)
    while left:
        module = left.pop()
        if module == "anamnesis.tasks.TASK.loading" and stage.startswith("train"):
            continue  # `models.load`, which no training calls.
        if module.startswith("anamnesis.tasks.language.") and task != "language" and stage in ("train", "evaluate"):
            continue  # Only an entry that needs a model runs the code of language models.
        module = module.replace("TASK", str(task))
        path = file(module)
        if module in modules or path is None or any(f"{module}.".startswith(f"{each}.") for each in exempt):
            continue
        modules.add(module)
        left |= imported(path, module)
        if "." in module:
            left.add(module.rpartition(".")[0])
    return modules


def needed(stage: str, script: str, task: str | None) -> set[str]:
    """The files of ours that a stage imports, relative to the project's folder, without packages' empty files."""
    roots = set(imported(ROOT / "pipelines" / f"{script}.py", f"pipelines.{script}"))
    paths = {file(module) for module in closure(roots, stage, task, EXEMPT)}
    idle = (ast.Expr, ast.Assign)
    return {
        str(path.relative_to(ROOT))
        for path in paths
        if path and not (path.name == "__init__.py" and all(isinstance(each, idle) for each in tree(path).body))
    }


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_that_it_imports_and_on_no_other(stage):
    script, deps = STAGES[stage]["cmd"].split()[2], STAGES[stage]["deps"]
    unused = {dep for dep in deps if dep.startswith("src/")}
    for task in tasks.NAMES if "${item.task}" in str(deps) else [None]:
        listed = {dep.replace("${item.task}", str(task)): dep for dep in deps if dep.startswith("src/")}
        for path in needed(stage, Path(script).stem, task):
            covers = {listed[dep] for dep in listed if path == dep or path.startswith(f"{dep}/")}
            assert covers, f"dvc.yaml: {stage} of task {task} lacks {path}"
            unused -= covers
    assert unused == set(), "no task needs them"
    assert script in deps


@pytest.mark.parametrize("stage", ["train", "train-dependent"])
def test_the_key_of_a_checkpoint_covers_the_code_that_training_depends_on(stage):
    key = {f"src/anamnesis/{part}".replace("{task}", "${item.task}") for part in CODE}
    assert {dep for dep in STAGES[stage]["deps"] if dep.startswith("src/")} >= key


def test_reading_the_files_finds_every_import_that_python_makes():
    """An independent count: Python's list of loaded modules after the import of all tasks."""
    others = [task for task in tasks.NAMES if task != "language"]
    roots = [f"anamnesis.tasks.{task}.{part}" for task in others for part in ("model.training", "evaluation")]
    code = f"import sys, importlib\nfor name in {roots}: importlib.import_module(name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = {name for name in done.stdout.split() if name.split(".")[0] == "anamnesis"}
    assert len(ours) > 50
    assert ours <= closure(set(roots), "evaluate", "language", set())
    # Other tasks import it inside of functions, which run where a model is needed.
    assert [name for name in ours if name.startswith("anamnesis.tasks.language.")] == []
