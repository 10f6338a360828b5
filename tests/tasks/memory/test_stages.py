"""Training and evaluation of a memory experiment: the tables agree with the metrics, and no network trains twice."""

import json
import math
import shutil

import pytest
import torch
import toys as toy
from listener import Recorder

from anamnesis import models
from anamnesis.tasks.memory.model import recall, text
from anamnesis.tasks.memory.model.recall import Trial


@pytest.fixture
def project(toys, tmp_path):
    """A fresh project folder with the token stores."""
    return toys.project("memory-gru", tmp_path / "project")


@pytest.fixture
def settings(experiment):
    return experiment("gru", training={"clip_norm": 0.3}, recall={"error": 0.05, "accuracy": 0.7})


def test_metrics_follow_from_the_tables(project, settings):
    watch = Recorder()
    folder = toy.train("probe", project, watch, settings)
    toy.evaluate("probe", project)
    predictions = project / "predictions" / "probe"
    card = json.loads((folder / "model.json").read_text())
    assert card["parameters"] <= settings.parameters == card["allowed_parameters"]

    history = toy.rows(folder / "history.csv")
    assert [int(row["epoch"]) for row in history] == list(watch.rows) == list(range(1, len(history) + 1))
    for row in history:
        logged = watch.rows[int(row["epoch"])]
        assert {key for key in row if row[key]} == {"epoch", *logged}
        assert all(float(row[key]) == pytest.approx(value, rel=1e-5) for key, value in logged.items())
    assert not (predictions / "curve.csv").exists()

    recalled = toy.rows(predictions / "recall.csv")
    assert len(recalled) == len(history)
    test = toy.scores(project, "probe")["test"]
    for probe in ("copy", "adding"):
        spans = []
        for seed in ("1", "2"):
            tried = [row for row in recalled if (row["probe"], row["seed"]) == (probe, seed)]
            assert [int(row["lag"]) for row in tried] == settings.recall.lags[: len(tried)]
            for row in tried:
                solved = float(row["score"]) >= 0.7 if probe == "copy" else float(row["score"]) <= 0.05
                assert row["solved"] == str(int(solved))
            spans.append(recall.span([(int(row["lag"]), row["solved"] == "1") for row in tried]))
        assert test[f"memory_span_{probe}"] == sum(spans) / 2
        assert (test[f"memory_span_{probe}_low"], test[f"memory_span_{probe}_high"]) == (min(spans), max(spans))
    assert test["memory_span"] == (test["memory_span_copy"] + test["memory_span_adding"]) / 2

    flow = toy.rows(predictions / "gradients.csv")
    for when in ("initial", "trained"):
        curve = [(int(row["distance"]), math.log(float(row["norm"]))) for row in flow if row["when"] == when]
        assert [distance for distance, _ in curve] == list(range(settings.text.length))
        x, y = zip(*curve[1:], strict=True)
        mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
        slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)
        assert test[f"gradient_decay_{when}"] == pytest.approx(math.exp(slope), rel=1e-4)
    # A GRU's state is its hidden state.
    assert all(row["norm"] == row["norm_hidden"] for row in flow)

    clipping = toy.rows(predictions / "clipping.csv")
    assert [int(row["step"]) for row in clipping] == list(
        range(1, 1 + text.steps(toy.SPLITS["train"], settings.training, 20))
    )
    assert all(float(row["after"]) == pytest.approx(min(float(row["before"]), 0.3), rel=1e-3) for row in clipping)
    assert any(float(row["before"]) > 0.3 for row in clipping)


CELL = """
from torch import nn

from anamnesis.nn.layer import Layer


class Own(nn.Module, Layer):
    def __init__(self, inputs, hidden, bias=True):
        super().__init__()
        self.outputs, self.state_sizes = hidden, (hidden,)
        self.gru = nn.GRU(inputs, hidden, bias=bias)

    def forward(self, inputs, state):
        outputs, last = self.gru(inputs, state[0][None])
        return outputs, (last[0],)
"""


def test_an_own_cell_has_the_largest_size_too(project, experiment, monkeypatch):
    (project / "cells").mkdir()
    (project / "cells" / "own.py").write_text(CELL)
    monkeypatch.chdir(project)
    model = {"cell": "own:Own", "options": {"bias": False}}
    changes = {"lags": [2], "error": 0.05, "symbols": 1, "steps": 400}
    settings = experiment("cell", model=model, needs="cells/own.py", recall=changes)
    toy.train("probe", project, experiment=settings)
    toy.evaluate("probe", project)
    metrics = toy.scores(project, "probe")
    # 3 h (h + 8) is 924 at 14 units, 1,035 at 15.
    assert (metrics["architecture"], metrics["parameters"]) == ("cell", 3 * 14 * (14 + 8))
    assert metrics["test"]["memory_span"] == 2


def test_no_network_trains_twice(project, settings, monkeypatch):
    """Also, each network starts with the weights that it had after the lag before."""
    folder = toy.train("probe", project, experiment=settings)
    expected = {path.name: path.read_bytes() for path in folder.iterdir()}
    trained = models.load(folder).recall
    shutil.rmtree(folder)

    trials = []
    first = {}
    texts = []
    fit, fit_text = recall.fit, text.fit

    def fit_or_interrupt(network, trial, experiment):
        trials.append(trial)
        first[trial] = {name: value.clone() for name, value in network.state_dict().items()}
        if len(trials) in (1, 4):
            raise KeyboardInterrupt
        return fit(network, trial, experiment)

    def count_texts(*arguments):
        texts.append(1)
        return fit_text(*arguments)

    monkeypatch.setattr(recall, "fit", fit_or_interrupt)
    monkeypatch.setattr(text, "fit", count_texts)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            toy.train("probe", project, experiment=settings)
    # A part that a crash of the machine damaged is trained again.
    damaged = next((project / ".anamnesis" / "checkpoints" / "probe").rglob("copy.1.2.safetensors"))
    damaged.write_bytes(damaged.read_bytes()[:50])
    toy.train("probe", project, experiment=settings)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == expected
    # Two interrupted trials and the damaged one ran twice.
    assert (len(texts), len(trials)) == (1, len(trained) + 3)

    lags = settings.recall.lags
    followers = [trial for trial in trained if trial.lag != lags[0]]
    assert followers
    for trial in followers:
        before = trained[Trial(trial.probe, trial.seed, lags[lags.index(trial.lag) - 1])][0].state_dict()
        assert all(torch.equal(before[name], value) for name, value in first[trial].items())
