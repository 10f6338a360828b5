"""References to registered models become model folders."""

import shutil
from pathlib import Path

import pytest

from anamnesis import models, params
from anamnesis.errors import AnamnesisError
from anamnesis.tracking import sync
from anamnesis.tracking.registry import only_model, resolve


def test_a_reference_becomes_the_folder_of_that_model(root: Path, finish, capsys: pytest.CaptureFixture[str]) -> None:
    settings = params.load(root / "params.yaml")
    first = finish("toy-a", valid=2.5)["fingerprint"]
    sync.register(settings, root)
    second = finish("toy-b", valid=2.0)["fingerprint"]
    sync.register(settings, root)
    expected = {
        "language-toy": first,
        "language-toy@champion": first,
        "language-toy@challenger": second,
        "language-toy/1": first,
        "models:/language-toy/2": second,
    }
    capsys.readouterr()
    assert resolve("language-toy", root) == root / "models" / "toy-a"
    assert capsys.readouterr().err == (
        "note: language-toy@champion is version 1 (toy-a); version 2 (toy-b) is the challenger: "
        "`anamnesis promote language-toy`\n"
    )
    for reference in ("language-toy@challenger", "language-toy/1"):
        resolve(reference, root)
    assert capsys.readouterr().err == ""
    # Without the same model in models/, MLflow's copy is used.
    finish("toy-a", valid=2.5, seed=2)
    shutil.rmtree(root / "models" / "toy-b")
    assert {name: models.read(resolve(name, root))[0]["fingerprint"] for name in expected} == expected
    shutil.rmtree(root / "mlartifacts")
    with pytest.raises(AnamnesisError, match=r"language-toy version 2: its files are gone .*anamnesis sync"):
        resolve("language-toy/2", root)


def test_the_only_model_of_a_task_needs_no_name(root: Path, finish) -> None:
    finish("toy-a")
    sync.register(params.load(root / "params.yaml"), root)
    assert only_model("language", root) == "language-toy"
    with pytest.raises(AnamnesisError, match=r"no cloze model is registered; .*anamnesis repro.* --model EXPERIMENT$"):
        only_model("cloze", root)
    finish("other-a")
    sync.register(params.load(root / "params.yaml"), root)
    with pytest.raises(AnamnesisError, match=r"language-other, language-toy; .* --model language-other@champion$"):
        only_model("language", root)
