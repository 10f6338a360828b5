"""CUDA graphs on a GPU: the numbers of steps without them, in every precision; tests/training has the rest."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import toys

from anamnesis.training import graphs

from .conftest import settings

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
Project = Callable[..., Path]
# The adaptive softmax has shapes that depend on values.
NEVER = ("language-adaptive", "cloze-adaptive")
# Kernels may add in another order, and errors grow over the steps; batches of fixed shape draw other dropout.
TOLERANCE = {"32-true": 2e-3, "bf16-mixed": 0.06, "16-mixed": 0.02}


def losses(folder: Path) -> np.ndarray:
    return pd.read_csv(folder / "history.csv").filter(regex=r"^(?!.*(accuracy|f1))").to_numpy()


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("name", toys.NETWORKS)
def test_graphs_give_the_numbers_of_single_steps(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: Any, name: str, precision: str
) -> None:
    recorded: list[str] = []
    record = graphs.CudaRecorder.record

    def note(self: Any, work: Any) -> Any:
        recorded.append(name)
        return record(self, work)

    monkeypatch.setattr(graphs.CudaRecorder, "record", note)
    # Others draw the same numbers with graphs. A model that another one begins with has its settings, too.
    padded = name.startswith(("classification", "translation"))
    model: Any = {"dropout": 0.0} if padded and "dropout" in toys.NETWORKS[name][1] else {}
    results = []
    for switch in ("auto", "never"):
        experiment = settings(name, "cuda", precision, epochs=3)
        trainer = experiment.trainer.model_copy(update={"graphs": switch})
        changes = {"trainer": trainer, "model": experiment.model.model_copy(update=model)}
        recorded.clear()
        folder = toys.train(name, project(name, switch), experiment=experiment.model_copy(update=changes))
        assert bool(recorded) == (switch == "auto" and name not in NEVER)
        results.append(losses(folder))
    said = capsys.readouterr().err
    assert said.count("trains without CUDA graphs") == (name in NEVER)
    np.testing.assert_allclose(results[0], results[1], rtol=TOLERANCE[precision])
