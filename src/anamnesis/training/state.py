"""Where unfinished training keeps its state: outside of all outputs, keyed by everything that decides the result."""

from collections.abc import Iterator
from pathlib import Path

import anamnesis
from anamnesis.files import digest, sha256_file

# The code that decides the result of a training. The stage `train` in dvc.yaml depends on the same.
CODE = (
    "files.py",
    "metrics/targets.py",
    "models.py",
    "numerics.py",
    "data/stores",
    "data/text",
    "data/tokenizers",
    "nn",
    "stages/train.py",
    "tasks/__init__.py",
    "tasks/{task}/settings.py",
    "tasks/{task}/model",
    "training",
)
# Code of another task with which a task trains.
FURTHER = {"classification": ("tasks/language/settings.py", "tasks/language/model")}


def checkpoint_folder(root: Path, name: str) -> Path:
    """The folder of an experiment's checkpoints."""
    return root / ".anamnesis" / "checkpoints" / name


def checkpoint_path(root: Path, name: str, inputs: str, task: str) -> Path:
    """The checkpoint file of experiment `name`; an edit of the code that trains it gives another one.

    Args:
        root: the project's folder.
        name: the experiment.
        inputs: digest of its settings and data.
        task: its task.
    """
    package = Path(anamnesis.__file__).parent
    sources = [path for part in (*CODE, *FURTHER.get(task, ())) for path in _files(package / part.format(task=task))]
    code = digest(*(f"{path.relative_to(package)} {sha256_file(path)}" for path in sources))
    return checkpoint_folder(root, name) / f"{digest(inputs, code)[:24]}.ckpt"


def _files(path: Path) -> Iterator[Path]:
    """The file `path`, or the files of the folder `path` and its subfolders, in a fixed order, without bytecode."""
    if path.is_file():
        yield path
    yield from sorted(each for each in path.rglob("*") if each.is_file() and each.parent.name != "__pycache__")
