"""The stages of a memory experiment: what they write, that it repeats, and that an interruption costs one part."""

import csv
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from listener import Recorder

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.memory import recall, saved, text
from anamnesis.tasks.memory.evaluation import evaluate
from anamnesis.tasks.memory.recall import Place
from anamnesis.tasks.memory.train import train


def files_of(*folders: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for folder in folders for path in sorted(folder.iterdir())}


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def settings(experiment):
    return experiment("gru", training={"clip_norm": 0.3}, recall={"error": 0.05, "accuracy": 0.7})


def test_what_the_stages_write(project: Path, settings) -> None:
    watch = Recorder()
    train("probe", settings, project, watch)
    evaluate("probe", settings, project)
    models, predictions = project / "models" / "probe", project / "predictions" / "probe"

    card = json.loads((models / "model.json").read_text())
    assert card["fingerprint"] == watch.ended
    assert (card["architecture"], card["task"], card["corpus"]) == ("gru", "memory", "manual")
    assert card["parameters"] <= settings.parameters == card["allowed_parameters"]

    history = rows_of(models / "history.csv")
    assert [int(row["epoch"]) for row in history] == list(watch.rows) == list(range(1, len(history) + 1))
    for row in history:
        told = watch.rows[int(row["epoch"])]
        assert {key for key in row if row[key]} == {"epoch", *told}
        assert all(float(row[key]) == pytest.approx(value, rel=1e-5) for key, value in told.items())

    recalled = rows_of(predictions / "recall.csv")
    assert len(recalled) == len(history)
    metrics = json.loads((project / "metrics" / "probe.json").read_text())
    for probe in ("copy", "adding"):
        spans = []
        for seed in ("1", "2"):
            tried = [row for row in recalled if (row["probe"], row["seed"]) == (probe, seed)]
            assert [int(row["lag"]) for row in tried] == settings.recall.lags[: len(tried)]
            for row in tried:
                good = float(row["score"]) >= 0.7 if probe == "copy" else float(row["score"]) <= 0.05
                assert row["solved"] == str(int(good))
            spans.append(recall.span([(int(row["lag"]), row["solved"] == "1") for row in tried]))
        test = metrics["test"]
        assert test[f"memory_span_{probe}"] == sum(spans) / 2
        assert (test[f"memory_span_{probe}_low"], test[f"memory_span_{probe}_high"]) == (min(spans), max(spans))
    assert test["memory_span"] == (test["memory_span_copy"] + test["memory_span_adding"]) / 2
    assert metrics["valid"].keys() == test.keys()

    flow = rows_of(predictions / "gradients.csv")
    for when in ("initial", "trained"):
        curve = [(int(row["distance"]), math.log(float(row["norm"]))) for row in flow if row["when"] == when]
        assert [distance for distance, _ in curve] == list(range(settings.text.length))
        x, y = zip(*curve[1:], strict=True)
        mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
        slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)
        assert test[f"gradient_decay_{when}"] == pytest.approx(math.exp(slope), rel=1e-4)
    # A GRU's state is its hidden state.
    assert all(row["norm"] == row["norm_hidden"] for row in flow)

    clipping = rows_of(predictions / "clipping.csv")
    assert [int(row["step"]) for row in clipping] == list(range(1, 1 + text.steps(6000, settings.training, 20)))
    for row in clipping:
        assert float(row["after"]) == pytest.approx(min(float(row["before"]), 0.3), rel=1e-3)
    assert any(float(row["before"]) > 0.3 for row in clipping)

    model = saved.load(models)
    assert text.perplexity(model.trained, _ids(project, "test")) == pytest.approx(test["perplexity"], rel=1e-5)
    assert test["perplexity"] < text.perplexity(model.initial, _ids(project, "test")) / 2
    assert next(iter(model.recall)) == Place("copy", 1, 2)


MINIMAL_GATED_UNIT = """
import torch
from torch import nn

from anamnesis.nn.layer import Layer


class MGU(nn.Module, Layer):
    def __init__(self, inputs, hidden, bias=0.0):
        super().__init__()
        self.outputs, self.state_sizes = hidden, (hidden,)
        self.gate, self.candidate = nn.Linear(inputs + hidden, hidden), nn.Linear(inputs + hidden, hidden)
        nn.init.constant_(self.gate.bias, bias)

    def forward(self, inputs, state):
        (h,) = state
        outputs = []
        for x in inputs:
            f = torch.sigmoid(self.gate(torch.cat([x, h], -1)))
            h = (1 - f) * h + f * torch.tanh(self.candidate(torch.cat([x, f * h], -1)))
            outputs.append(h)
        return torch.stack(outputs), (h,)
"""


def test_a_cell_of_the_users_own_is_probed_like_the_others(
    project: Path, experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "cells").mkdir()
    (project / "cells" / "mgu.py").write_text(MINIMAL_GATED_UNIT)
    monkeypatch.chdir(project)
    model = {"cell": "mgu:MGU", "options": {"bias": -1.0}}
    settings = experiment("cell", model=model, recall={"lags": [2], "error": 0.05, "symbols": 1, "steps": 400})
    train("probe", settings, project, Recorder())
    evaluate("probe", settings, project)
    metrics = json.loads((project / "metrics" / "probe.json").read_text())
    # Two gates of 8 inputs each: 2 h (h + 8 + 1) is 966 at 18 units, 1,064 at 19.
    assert (metrics["architecture"], metrics["parameters"]) == ("cell", 2 * 18 * (18 + 8 + 1))
    assert metrics["test"]["memory_span"] == 2
    assert 0 < metrics["test"]["gradient_decay_initial"] < 1


def test_each_lag_starts_from_the_network_of_the_lag_before(
    project: Path, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: dict[Place, dict[str, torch.Tensor]] = {}
    fit = recall.fit

    def watched(network, place, experiment):
        begun[place] = {name: value.clone() for name, value in network.state_dict().items()}
        return fit(network, place, experiment)

    monkeypatch.setattr(recall, "fit", watched)
    train("probe", settings, project, Recorder())
    model = saved.load(project / "models" / "probe")
    followed = 0
    for place in begun:
        index = settings.recall.lags.index(place.lag)
        if index:
            before = model.recall[Place(place.probe, place.seed, settings.recall.lags[index - 1])][0].state_dict()
            assert all(torch.equal(before[name], value) for name, value in begun[place].items())
            followed += 1
    assert followed > 0


def test_killed_and_run_again_repeats_one_part_and_gives_the_same_bytes(
    project: Path, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = (project / "models" / "probe", project / "predictions" / "probe", project / "metrics")
    train("probe", settings, project, Recorder())
    evaluate("probe", settings, project)
    expected = files_of(*folders)
    parts = len(saved.load(folders[0]).recall)
    shutil.rmtree(project / "models")

    begun: list[Place] = []
    fit, fit_text = recall.fit, text.fit
    texts = []

    class Killed(BaseException):
        pass

    def killed(network, place, experiment):
        begun.append(place)
        if len(begun) in (1, 4):
            raise Killed
        return fit(network, place, experiment)

    def counted(*arguments):
        texts.append(1)
        return fit_text(*arguments)

    monkeypatch.setattr(recall, "fit", killed)
    monkeypatch.setattr(text, "fit", counted)
    for _ in range(2):
        watch = Recorder()
        with pytest.raises(Killed):
            train("probe", settings, project, watch)
        assert watch.ended == "failed"
        assert not (project / "models").exists()
    # A part that a crash of the machine left damaged is made again.
    damaged = next((project / ".anamnesis" / "checkpoints" / "probe").rglob("copy.1.2.safetensors"))
    damaged.write_bytes(damaged.read_bytes()[:50])
    train("probe", settings, project, Recorder())
    evaluate("probe", settings, project)
    assert files_of(*folders) == expected
    assert len(texts) == 1
    # Two that were interrupted and one that was damaged ran twice.
    assert len(begun) == parts + 3
    assert not (project / ".anamnesis" / "checkpoints" / "probe").exists()


def test_a_damaged_or_foreign_model_is_refused(project: Path, settings) -> None:
    train("probe", settings, project, Recorder())
    folder = project / "models" / "probe"
    tokenizer = (folder / "tokenizer.json").read_bytes()
    (folder / "tokenizer.json").write_bytes(tokenizer + b" ")
    with pytest.raises(AnamnesisError, match=r"tokenizer\.json"):
        evaluate("probe", settings, project)
    (folder / "tokenizer.json").write_bytes(tokenizer)
    shutil.copytree((project / "data").resolve(), project / "other")
    (project / "data").unlink()
    (project / "other").rename(project / "data")
    (project / "data" / "tokens" / "manual" / "tokenizer.json").write_bytes(tokenizer + b" ")
    with pytest.raises(AnamnesisError, match="trained on other tokens"):
        evaluate("probe", settings, project)
    assert not (project / "metrics").exists()


def _ids(project: Path, split: str) -> Any:
    from anamnesis.data.stores.store import open_split

    return open_split(project / "data" / "tokens" / "manual", split)
