"""Own cells: the documented example works everywhere, and a faulty cell is refused in one line."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from listener import Recorder, interrupt
from pydantic import TypeAdapter

import anamnesis
from anamnesis import models, params
from anamnesis.errors import AnamnesisError
from anamnesis.nn.cells import new_layer
from anamnesis.nn.own import cell_class

ROOT = Path(__file__).resolve().parents[2]
MGU = "mgu:MGU"


def documented(language: str) -> str:
    """The first block of that language in docs/your-own-cell.md."""
    page = (ROOT / "docs" / "your-own-cell.md").read_text(encoding="utf-8")
    match = re.search(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert match
    return match[1]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory whose folder cells/ holds the documented example."""
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "mgu.py").write_text(documented("python"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def test_dvc_can_rewrite_the_documented_experiments(project: Path) -> None:
    # `dvc exp run -S` changes params.yaml through these two functions; between braces it drops quotes that YAML needs.
    from dvc.utils.serialize import load_yaml, modify_yaml

    Path("params.yaml").write_text(documented("yaml"), encoding="utf-8")
    before = load_yaml("params.yaml")
    with modify_yaml("params.yaml") as content:
        content["dependent"]["sherlock-mgu"]["training"]["epochs"] = 5
    before["dependent"]["sherlock-mgu"]["training"]["epochs"] = 5
    assert load_yaml("params.yaml") == before


def test_the_documented_layer_is_the_minimal_gated_unit(project: Path) -> None:
    torch.manual_seed(0)
    layer = new_layer("cell", 5, 6, cell=MGU, gate_bias=-1.0)
    assert torch.equal(layer.from_inputs.bias[:6], torch.full((6,), -1.0))
    x, (h,) = torch.randn(9, 2, 5), (torch.randn(2, 6),)
    outputs, (last,) = layer(x, (h,))
    weights = {name: value.detach().numpy().astype(float) for name, value in layer.named_parameters()}
    w_f, w_n = np.split(weights["from_inputs.weight"], 2)
    b_f, b_n = np.split(weights["from_inputs.bias"], 2)
    state = h.numpy().astype(float)
    for time, x_t in enumerate(x.numpy().astype(float)):
        f = sigmoid(x_t @ w_f.T + state @ weights["gate.weight"].T + b_f)
        n = np.tanh(x_t @ w_n.T + (f * state) @ weights["candidate.weight"].T + b_n)
        state = (1 - f) * state + f * n
        np.testing.assert_allclose(outputs[time].detach().numpy(), state, atol=1e-5)
    np.testing.assert_allclose(last.detach().numpy(), state, atol=1e-5)


def test_the_documented_experiments_train_resume_generate_and_fit_the_probe(project: Path) -> None:
    from anamnesis.data.stores import store
    from anamnesis.data.tokenizers.settings import Characters
    from anamnesis.stages.train import train
    from anamnesis.tasks.language.model.generation import generate
    from anamnesis.tasks.memory.model import budget

    content = params.read(ROOT / "params.yaml") | {"dependent": yaml.safe_load(documented("yaml"))["dependent"]}
    checked = params.check(content)
    assert list(checked.dependent) == ["sherlock-mgu", "memory-mgu"]
    language: Any = checked.experiments["sherlock-mgu"]
    probe: Any = checked.experiments["memory-mgu"]

    cell, count = budget.largest(probe)
    assert probe.parameters * 0.9 < count <= probe.parameters
    assert cell.architecture == "cell"

    text = "".join(chr(97 + (place * place) % 23) + "\n" * (place % 17 == 0) for place in range(6000))
    for split, part in (("train", text[:5000]), ("valid", text[5000:5500]), ("test", text[5500:])):
        (project / f"{split}.txt").write_text(part, encoding="utf-8")
    tokens = Characters(corpus="squares", kind="characters")
    sources = {split: project / f"{split}.txt" for split in ("train", "valid", "test")}
    store.write(project / "data" / "tokens" / language.tokens, tokens, sources)

    trainings = []
    for interrupted in (False, True):
        if interrupted:
            with pytest.raises(SystemExit):
                train("own", language, project, Recorder(interrupt(2)))
            assert not (project / "models" / "own").exists()
        train("own", language, project, Recorder())
        files = sorted((project / "models" / "own").iterdir())
        trainings.append({path.name: path.read_bytes() for path in files})
        model = models.load(project / "models" / "own")
        for path in files:
            path.unlink()
        (project / "models" / "own").rmdir()
    assert trainings[0] == trainings[1]
    assert len("".join(generate(model, "ab", 50, seed=1))) == 50
    ids = np.random.default_rng(0).integers(model.tokenizer.vocabulary_size, size=(1, 30))
    whole, _ = model.predict(ids, model.initial_state())
    step = model.stepper(model.initial_state())  # type: ignore[attr-defined]
    for place in range(30):
        scores = step(int(ids[0, place])).astype(np.float64)
        np.testing.assert_allclose(scores - np.log(np.exp(scores).sum()), whole[0, place], atol=1e-5)


def test_a_class_is_loaded_once_and_leaves_the_random_numbers_alone(project: Path) -> None:
    assert cell_class(MGU) is cell_class(MGU)
    torch.manual_seed(3)
    direct = cell_class(MGU)(5, 6)
    following = torch.rand(1)
    torch.manual_seed(3)
    checked = new_layer("cell", 5, 6, cell=MGU)
    assert torch.equal(torch.rand(1), following)
    torch.testing.assert_close(checked.state_dict(), direct.state_dict(), rtol=0, atol=0)
    assert checked.training


def test_a_description_without_memory_needs_no_computation(project: Path) -> None:
    with torch.device("meta"):
        layer = new_layer("cell", 65536, 65536, cell=MGU)
    assert layer.from_inputs.weight.shape == (2 * 65536, 65536)


def test_another_project_has_other_classes(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cell_class(MGU)
    other = tmp_path / "other"
    (other / "cells").mkdir(parents=True)
    (other / "cells" / "mgu.py").write_text(documented("python"), encoding="utf-8")
    monkeypatch.chdir(other)
    assert cell_class(MGU) is not first


SOUND = """import torch
from torch import nn
from anamnesis.nn.layer import Layer

class Own(nn.Module, Layer):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.outputs, self.state_sizes = hidden, (hidden,)
        self.linear = nn.Linear(inputs, hidden)

    def forward(self, inputs, state):
        outputs = self.linear(inputs)
        return outputs, (outputs[-1],)
"""


MISTAKES = [
    ("", "", "nothing:Own", "no file cells/nothing.py; found in cells/: mgu, own"),
    ("", "", "own:Other", "cells/own.py has no class Other; its classes: Own"),
    ("", "", "../own:Own", "cell: found '../own:Own'; allowed: a file of cells/ and its class, such as mgu:MGU"),
    ("import torch", "1 / 0", "own:Own", "cells/own.py, line 1: cannot be imported: ZeroDivisionError"),
    ("nn.Module, Layer", "nn.Module", "own:Own", "Own must derive from torch.nn.Module and anamnesis.nn.layer.Layer"),
    ("self, inputs, hidden", "self, inputs", "own:Own", r"Own cannot be called with \(inputs, hidden\): too many"),
    ("self.outputs, self.state_sizes = hidden, ", "self.sizes = ", "own:Own", "set self.outputs"),
    ("= hidden, (", "= hidden + 1, (", "own:Own", r"outputs: found \(2, 3, 4\); promised: \(2, 3, 5\)"),
    ("(hidden,)", "(7,)", "own:Own", r"part 0 of the state: found \(3, 4\); promised: \(3, 7\)"),
    ("(outputs[-1],)", "outputs[-1]", "own:Own", "forward must return the outputs and a tuple"),
    (
        "self.linear(inputs)",
        "self.linear(state)",
        "own:Own",
        r"forward fails on inputs of shape \(2, 3, 5\): TypeError",
    ),
]


@pytest.mark.parametrize(("right", "wrong", "cell", "line"), MISTAKES)
def test_each_mistake_is_one_line(project: Path, right: str, wrong: str, cell: str, line: str) -> None:
    assert right in SOUND
    (project / "cells" / "own.py").write_text(SOUND.replace(right, wrong, 1) if right else SOUND, encoding="utf-8")
    with pytest.raises(AnamnesisError, match=line) as caught:
        new_layer("cell", 5, 4, cell=cell)
    assert "\n" not in str(caught.value)


def test_a_packed_model_uses_the_cells_beside_its_package(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "code" / "anamnesis").mkdir(parents=True)
    (project / "cells").rename(tmp_path / "code" / "cells")
    monkeypatch.setattr(anamnesis, "__file__", str(tmp_path / "code" / "anamnesis" / "__init__.py"))
    assert cell_class(MGU).__name__ == "MGU"


def test_an_edit_of_a_cell_changes_the_inputs_of_a_training(project: Path) -> None:
    store = project / "data" / "tokens" / "letters"
    store.mkdir(parents=True)
    (store / "stats.json").write_text("{}", encoding="utf-8")
    content = yaml.safe_load(documented("yaml"))["dependent"]["sherlock-mgu"] | {"tokens": "letters"}
    experiment = TypeAdapter(params.Experiment).validate_python(content)
    before = models.inputs_digest(experiment, project)
    assert models.inputs_digest(experiment, project) == before
    with open(project / "cells" / "mgu.py", "a", encoding="utf-8") as file:
        file.write("# edited\n")
    assert models.inputs_digest(experiment, project) != before
