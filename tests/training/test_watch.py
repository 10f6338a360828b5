"""Of several processes that train together, only the first logs and prints."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from listener import Recorder

from anamnesis.training.settings import Trainer
from anamnesis.training.watch import RANKS, leads, watch_training


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RANKS:
        monkeypatch.delenv(name, raising=False)


def experiment(**trainer: Any) -> Any:
    return SimpleNamespace(trainer=Trainer(**trainer))


@pytest.mark.parametrize("name", RANKS)
def test_the_first_process_of_every_launcher_leads(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for several in ({"devices": 2}, {"num_nodes": 2}, {"devices": "auto"}):
        monkeypatch.setenv(name, "0")
        assert leads(experiment(**several))
        monkeypatch.setenv(name, "1")
        assert not leads(experiment(**several))
    # A process that trains alone leads, whatever started it.
    assert leads(experiment())
    assert leads(SimpleNamespace())


def test_another_process_starts_no_run_and_prints_nothing(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def train(watch: Any) -> dict[str, Any]:
        print("epoch 1")
        watch.log({"valid_loss": 1.0}, 1)
        watch.sample("text", 1)
        return {"fingerprint": "f"}

    started = []

    def start(*arguments: Any) -> Recorder:
        started.append(arguments)
        return Recorder()

    together = experiment(devices=2)
    watch_training(start, "name", together, "inputs", Path(), train)
    assert len(started) == 1
    assert capsys.readouterr().out == "epoch 1\n"
    monkeypatch.setenv("LOCAL_RANK", "1")
    watch_training(start, "name", together, "inputs", Path(), train)
    assert len(started) == 1
    assert capsys.readouterr().out == ""
