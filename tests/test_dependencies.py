"""Every stage of dvc.yaml, and the key of checkpoints, names the code that the stage imports, and no other."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from anamnesis.stages.fetch import READERS
from anamnesis.tasks.labels import readers
from anamnesis.tasks.language import objectives
from anamnesis.training.state import CODE

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
TASKS = sorted(path.parent.name for path in (SOURCE / "anamnesis").glob("*/train.py"))
TASK = "src/anamnesis/${item.task}"
# These check input, print, end what takes too long, or mirror results in MLflow. No byte of an output depends on them
# or on what they import.
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
# What the modules that compute the name of an import may import, given the name of the stage's own module.
COMPUTED = {
    "pipelines.train": lambda name: [],  # The task's module, at which each test starts.
    "pipelines.evaluate": lambda name: [],
    "anamnesis.stages.fetch": lambda name: [f"anamnesis.corpora.{reader}" for reader in READERS.values()],
    "anamnesis.nn.layers": lambda name: [f"anamnesis.nn.{kind[0]}" for kind in KINDS.values()],
    "anamnesis.tasks.language.objectives": lambda name: [f"{each}.{name}" for each in objectives.PACKAGES.values()],
    "anamnesis.tasks.labels.readers": lambda name: [f"{each}.{name}" for each in readers.PACKAGES.values()],
    "anamnesis.serving": lambda name: [],  # Of `register` alone, which asks a model for an example.
    "anamnesis.tracking.registration": lambda name: [],  # It packs code for MLflow, and imports it to do so.
}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def file(module: str) -> Path | None:
    """The file of a module or package of ours."""
    path = SOURCE.joinpath(*module.split("."))
    return next((each for each in (path / "__init__.py", path.with_suffix(".py")) if each.is_file()), None)


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below `node`, those in functions among them, without what only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from statements(child)


@cache
def imported(path: Path, module: str, name: str) -> frozenset[str]:
    """The modules of ours that a file imports anywhere; `name` as for `COMPUTED`."""
    found: set[str] = set()
    for node in statements(tree(path)):
        match node:
            case ast.Import(names=names):
                found |= {each.name for each in names}
            case ast.ImportFrom(module=parent, names=names, level=level):
                assert level == 0, f"{path}: relative imports are not followed"
                found |= {whole if file(whole := f"{parent}.{each.name}") else str(parent) for each in names}
            case ast.Call(func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module")):
                assert module in COMPUTED, f"{module} computes the name of an import: say in COMPUTED what it may be"
                found |= set(COMPUTED[module](name))
    return frozenset(each for each in found if each.split(".")[0] == "anamnesis")


def closure(roots: set[str], name: str, exempt: set[str]) -> set[str]:
    """The modules that importing `roots` and calling anything in them imports."""
    found: set[str] = set()
    left = set(roots)
    while left:
        module = left.pop()
        path = file(module)
        if module in found | exempt or path is None:
            continue
        found.add(module)
        left |= imported(path, module, name)
        if "." in module:
            left.add(module.rpartition(".")[0])
    return found


def needed(script: str, task: str | None) -> set[str]:
    """The files of ours that a stage imports, relative to the project's folder, without packages' empty files."""
    name = {"train": "train", "evaluate": "evaluation"}.get(script, "")
    roots = set(imported(ROOT / "pipelines" / f"{script}.py", f"pipelines.{script}", name))
    if task:
        roots.add(f"anamnesis.{task}.{name}")
    paths = {file(module) for module in closure(roots, name, EXEMPT)}
    idle = (ast.Expr, ast.Assign)
    return {
        str(path.relative_to(ROOT))
        for path in paths
        if path and not (path.name == "__init__.py" and all(isinstance(each, idle) for each in tree(path).body))
    }


def stages() -> list[tuple[str, str, str | None]]:
    """Each stage with its script, and with each task where it has one."""
    found: list[tuple[str, str, str | None]] = []
    for stage, content in STAGES.items():
        content = content.get("do", content)
        script = Path(content["cmd"].split()[2]).stem
        found += [(stage, script, task) for task in (TASKS if TASK in content["deps"] else [None])]
    return found


@pytest.mark.parametrize(("stage", "script", "task"), stages())
def test_a_stage_depends_on_the_code_that_it_imports_and_on_no_other(stage: str, script: str, task: str | None) -> None:
    deps = STAGES[stage].get("do", STAGES[stage])["deps"]
    listed = {dep.replace("${item.task}", task or "") for dep in deps if dep.startswith("src/")}
    used = {path: {dep for dep in listed if path == dep or path.startswith(f"{dep}/")} for path in needed(script, task)}
    assert sorted(path for path, by in used.items() if not by) == [], "dvc.yaml lacks them"
    assert sorted(listed - set().union(*used.values())) == [], "dvc.yaml has them for nothing"
    assert f"pipelines/{script}.py" in deps


@pytest.mark.parametrize("stage", ["train", "train-derived", "train-own"])
def test_the_key_of_a_checkpoint_covers_the_code_that_training_depends_on(stage: str) -> None:
    listed = {dep for dep in STAGES[stage]["do"]["deps"] if dep.startswith("src/")}
    assert listed == {*(f"src/anamnesis/{part}" for part in CODE), TASK}


def test_reading_the_files_finds_every_import_that_python_makes() -> None:
    """An independent count: what the modules of all tasks have imported once they are imported themselves."""
    roots = {f"anamnesis.{task}.{name}" for task in TASKS for name in ("train", "evaluation")}
    for packages in (objectives.PACKAGES, readers.PACKAGES):
        roots |= {f"{package}.{name}" for package in packages.values() for name in ("train", "evaluation")}
    code = f"import sys, importlib\nfor name in {sorted(roots)}: importlib.import_module(name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = {name for name in done.stdout.split() if name.split(".")[0] == "anamnesis"}
    assert len(ours) > 50
    assert ours <= closure(roots, "train", set())
