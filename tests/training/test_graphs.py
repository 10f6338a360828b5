"""Recorded training steps: the same numbers as steps one by one, on a recorder that the CPU can drive."""

from collections.abc import Callable
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import toys
from safetensors.numpy import load_file
from tape import TapeRecorder
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from anamnesis.errors import AnamnesisError
from anamnesis.nn.cells.scrn import SCRN
from anamnesis.training import fit, graphs
from anamnesis.training.batches import Batches
from anamnesis.training.checkpoints import Checkpoints
from anamnesis.training.groups import Groups
from anamnesis.training.module import TrainingModule

torch.set_num_threads(1)
Project = Callable[..., Path]


@pytest.fixture(scope="session")
def toy_models(tmp_path_factory: pytest.TempPathFactory) -> toys.Toys:
    return toys.Toys(tmp_path_factory.mktemp("toys"))


@pytest.fixture
def project(toy_models: toys.Toys, tmp_path: Path) -> Project:
    return lambda name, folder="project": toy_models.project(name, tmp_path / folder)


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> list[TapeRecorder]:
    """Trainings on the CPU record their steps; the recorders that they use, in order."""
    made: list[TapeRecorder] = []

    def new(trainer: Any, machine: Any) -> TapeRecorder:
        made.append(TapeRecorder())
        return made[-1]

    monkeypatch.setattr(fit, "_recorder", new)
    return made


def history(folder: Path) -> np.ndarray:
    return pd.read_csv(folder / "history.csv").to_numpy()


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "model.json"}


# Their steps cannot be recorded: the adaptive softmax has shapes that depend on values.
NEVER = ("language-adaptive", "cloze-adaptive")


def single_steps(monkeypatch: pytest.MonkeyPatch, name: str, root: Path, experiment: Any) -> Path:
    """The model of the same training without a recorded step; its learning rates are tensors as well."""
    with monkeypatch.context() as patch:
        patch.setattr(graphs, "MOST_GRAPHS", 0)
        return toys.train(name, root, experiment=experiment)


@pytest.mark.parametrize("name", toys.NETWORKS)
def test_recorded_steps_give_the_numbers_of_single_steps(
    project: Project, recorders: list[TapeRecorder], monkeypatch: pytest.MonkeyPatch, capsys: Any, name: str
) -> None:
    experiment = toys.settings(name, training={"epochs": 3})
    recorded = toys.train(name, project(name, "recorded"), experiment=experiment)
    said, recorder = capsys.readouterr().err, recorders[-1]
    if name in NEVER:
        assert said.count(f"note: {name} trains without CUDA graphs: ") == 1
        assert "depends on the values of a batch" in said
        assert recorder.recorded == 0
    else:
        assert "note:" not in said
        assert recorder.recorded >= 1
        assert recorder.replayed >= 3
    assert content(recorded) == content(single_steps(monkeypatch, name, project(name, "single"), experiment))
    assert recorders[-1].recorded == 0


@pytest.mark.parametrize("name", toys.NETWORKS)
def test_recorded_steps_give_the_numbers_of_a_training_without_graphs(
    project: Project, recorders: list[TapeRecorder], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Without dropout, which draws other numbers for batches of fixed shape."""
    padded = name.startswith(("classification", "translation")) and "dropout" in toys.NETWORKS[name][1]
    changes: Any = {"model": {"dropout": 0.0}} if padded else {}
    experiment = toys.settings(name, training={"epochs": 1}, **changes)
    recorded = toys.train(name, project(name, "recorded"), experiment=experiment)
    monkeypatch.setattr(fit, "_recorder", lambda *_: None)
    plain = toys.train(name, project(name, "plain"), experiment=experiment)
    # There, the learning rate has 53 bits; recorded steps read it from a tensor of 24 bits.
    np.testing.assert_allclose(history(recorded), history(plain), rtol=1e-4)
    weights, others = (load_file(folder / "weights.safetensors") for folder in (recorded, plain))
    for key, value in others.items():
        np.testing.assert_allclose(weights[key], value, rtol=0, atol=1e-4, err_msg=key)


@pytest.mark.parametrize("name", [name for name in toys.NETWORKS if name not in NEVER])
def test_no_step_has_a_tensor_on_the_cpu(project: Project, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """On the meta device, whose tensors have no values, as on a GPU that must not wait."""
    # Autocast knows real devices only.
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    experiment = toys.settings(name)
    plan = toys.plan(name, project(name), experiment)
    module, state = TrainingModule(plan, experiment.training).train().to("meta"), None
    change = plan.pad_to_fixed_shape or (lambda batch: batch)
    for _, batch in zip(range(2), plan.train, strict=False):
        moved = tree_map(lambda leaf: leaf.to("meta") if isinstance(leaf, Tensor) else leaf, change(batch))
        with graphs._Watch(torch.device("meta")) as watch:
            loss, state = module.mean_loss(moved, state)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.network.parameters(), 1.0)
        assert watch.reason is None


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
@pytest.mark.parametrize("learned_alpha", [True, False])
def test_the_context_network_has_no_tensor_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, activation: str, learned_alpha: bool
) -> None:
    """Its way through PyTorch's kernel, which it takes on a GPU only."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch.Tensor, "is_cuda", True)
    layer = SCRN(6, 8, 7, activation=activation, learned_alpha=learned_alpha).to("meta")
    inputs = torch.zeros(9, 5, 6, device="meta")
    with graphs._Watch(torch.device("meta")) as watch:
        layer(inputs, layer.initial_state(5))[0].sum().backward()
    assert watch.reason is None


SCHEDULES: list[dict[str, Any]] = [
    {"kind": "cosine"},
    {"kind": "decay", "factor": 0.5, "after": 1},
    {"kind": "plateau", "divide_by": 4.0},
]


@pytest.mark.parametrize("optimizer", [{"optimizer": "adam"}, {"optimizer": "sgd", "momentum": 0.9}])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule["kind"])
def test_recorded_steps_follow_the_schedule(
    project: Project, recorders: list[TapeRecorder], monkeypatch: pytest.MonkeyPatch, schedule: Any, optimizer: Any
) -> None:
    training = {"epochs": 4, "schedule": schedule, "clip_norm": 0.1, "learning_rate": 0.5, **optimizer}
    experiment = toys.settings("forecasting-fc", training=training)
    recorded = toys.train("forecasting-fc", project("forecasting-fc", "recorded"), experiment=experiment)
    assert recorders[-1].replayed >= 3
    rates = history(recorded)[:, 1]
    assert len(set(rates)) > 1
    expected = single_steps(monkeypatch, "forecasting-fc", project("forecasting-fc", "single"), experiment)
    assert content(recorded) == content(expected)


class Killed(Exception):
    """Stands for the end of a process."""


@pytest.mark.parametrize("name", ["language-lstm", "language-scrn-tanh", "language-windows"])
def test_a_recorded_training_resumes_to_the_same_bytes(
    project: Project, recorders: list[TapeRecorder], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    experiment = toys.settings(name, training={"epochs": 3, "checkpoint_steps": 3})
    whole, root = toys.train(name, project(name, "whole"), experiment=experiment), project(name, "killed")
    save = Checkpoints.on_train_batch_end

    def end(self: Any, trainer: Any, module: Any, *others: Any) -> None:
        save(self, trainer, module, *others)
        if trainer.current_epoch == 1 and others[-1] == 1:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "on_train_batch_end", end)
        with pytest.raises(Killed):
            toys.train(name, root, experiment=experiment)
    assert recorders[-1].replayed >= 3
    assert not (root / "models" / name).exists()
    assert content(toys.train(name, root, experiment=experiment)) == content(whole)


def test_a_loss_that_is_not_finite_ends_a_recorded_training(project: Project, recorders: list[TapeRecorder]) -> None:
    training = {"epochs": 9, "optimizer": "sgd", "learning_rate": 1e30, "clip_norm": None}
    experiment = toys.settings("forecasting-fc", training=training)
    with pytest.raises(AnamnesisError, match=r"experiments\.forecasting-fc: the training loss at step \d+ is"):
        toys.train("forecasting-fc", project("forecasting-fc"), experiment=experiment)
    assert recorders[-1].recorded >= 1


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_recorded_steps_in_mixed_precision(
    project: Project, recorders: list[TapeRecorder], monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    """In bfloat16; gradients are scaled as in 16-mixed, which the CPU lacks, and an infinite one skips its step."""
    training = {"epochs": 6, "clip_norm": 0.05}
    experiment = toys.settings("language-gru", training=training, trainer={"precision": "bf16-mixed"})
    scales: list[float] = []
    start = TrainingModule.on_train_start

    def scale(self: TrainingModule) -> None:
        start(self)
        if precision == "16-mixed":
            # The scale soon grows beyond what bfloat16 can hold.
            self.trainer.precision_plugin.scaler = torch.amp.GradScaler(
                "cpu", init_scale=2.0**120, growth_factor=16.0, growth_interval=2
            )

    end = TrainingModule.on_train_end

    def note(self: TrainingModule) -> None:
        if (scaler := self.trainer.precision_plugin.scaler) is not None:
            scales.append(scaler.get_scale())
        end(self)

    monkeypatch.setattr(TrainingModule, "on_train_start", scale)
    monkeypatch.setattr(TrainingModule, "on_train_end", note)
    recorded = toys.train("language-gru", project("language-gru", "recorded"), experiment=experiment)
    assert recorders[-1].replayed >= 3
    expected = single_steps(monkeypatch, "language-gru", project("language-gru", "single"), experiment)
    assert content(recorded) == content(expected)
    if precision == "16-mixed":
        assert scales[0] == scales[1]
        # Without a skipped step, the scale would have grown to infinity.
        assert 1 < scales[0] < float("inf")
    assert history(recorded)[-1, 2] < history(recorded)[0, 2]


def run_steps(step: Any, batches: list[Any], state: Any = None, device: str = "cpu") -> tuple[list[Any], TapeRecorder]:
    """The state after each batch, as numbers where the device has any, and the recorder."""
    recorder = TapeRecorder()
    recorder.device = torch.device(device)
    graphed, states = graphs.StepGraphs("toy", step, recorder), []
    for batch in batches:
        state = graphed(batch, state)
        states.append([float(part) for part in tree_leaves(state)] if device == "cpu" else state)
    return states, recorder


@pytest.mark.parametrize(
    ("step", "records"),
    [
        (lambda batch, state: batch.sum(), True),
        (lambda batch, state: (batch * 2.0 + 1).sum(), True),
        (lambda batch, state: batch.sum() * torch.tensor(2.0), False),
        (lambda batch, state: batch.sum() + torch.arange(2.0).to("meta").sum(), False),
    ],
)
def test_only_a_step_without_tensors_on_the_cpu_is_recorded(step: Any, records: bool, capsys: Any) -> None:
    """The meta device stands for a GPU: batches come from the CPU, and the step is on the device."""
    recorder = run_steps(step, [torch.ones(3)] * 4, torch.zeros((), device="meta"), "meta")[1]
    assert bool(recorder.recorded) == records
    assert ("has a tensor on the CPU" in capsys.readouterr().err) == (not records)


def test_a_state_may_move_from_part_to_part() -> None:
    """A register of three places, in which each part of the next state is another part of the present one."""
    batches = [torch.tensor(float(number)) for number in range(1, 8)]
    states, recorder = run_steps(
        lambda batch, state: (batch.clone(), state[0], state[1]), batches, (torch.zeros(()),) * 3
    )
    assert recorder.replayed == 6
    assert [[float(part) for part in state] for state in states] == [
        [n, max(n - 1, 0), max(n - 2, 0)] for n in range(1, 8)
    ]


@pytest.mark.parametrize(
    ("step", "operation"),
    [
        (lambda batch, state: batch.sum().item(), "_local_scalar_dense"),
        (lambda batch, state: batch[batch > 0].sum(), "index"),
        (lambda batch, state: batch.nonzero().sum(), "nonzero"),
        (lambda batch, state: batch.masked_select(batch > 0).sum(), "masked_select"),
    ],
)
def test_a_step_that_reads_values_is_never_recorded(capsys: Any, step: Any, operation: str) -> None:
    recorder = run_steps(step, [torch.arange(float(number)) for number in (3, 4, 3, 4, 3)])[1]
    assert (recorder.recorded, recorder.replayed) == (0, 0)
    said = capsys.readouterr().err
    assert said.count("note: toy trains without CUDA graphs") == 1
    assert operation in said


def test_shapes_beyond_the_limit_and_shapes_that_come_once_are_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "MOST_GRAPHS", 1)
    lengths = [3, 4, 3, 4, 3, 5, 4]
    states, recorder = run_steps(lambda batch, state: batch.sum(), [torch.arange(float(number)) for number in lengths])
    # Of four tokens, the second and the third time.
    assert (recorder.recorded, recorder.replayed) == (1, 2)
    assert states == [[number * (number - 1) / 2] for number in lengths]


def test_steps_are_watched_once_for_each_kind_of_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    watches: list[Any] = []

    class Counted(graphs._Watch):
        def __init__(self, device: torch.device) -> None:
            super().__init__(device)
            watches.append(self)

    monkeypatch.setattr(graphs, "_Watch", Counted)
    batches = [
        torch.ones(size, dtype=dtype) for _ in range(3) for dtype in (torch.float32, torch.float64) for size in (2, 3)
    ]
    states, recorder = run_steps(lambda batch, state: batch.sum(), batches, torch.zeros(()))
    assert [state for (state,) in states] == [2, 3] * 6
    # Batches of two types follow states of two types. Five pairs of shapes occur, the first of them only once.
    assert len(watches) == 4
    assert (recorder.recorded, recorder.replayed) == (4, 7)


def test_a_device_that_refuses_to_record_takes_steps_as_they_are(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    record = TapeRecorder.record

    def refuse(self: TapeRecorder, work: Any) -> Any:
        if self.recorded == 1:
            try:
                raise RuntimeError("operation not permitted\nwhen the stream is capturing")
            finally:
                # CUDA then refuses to end the recording, too.
                raise RuntimeError("operation failed due to a previous error during capture")
        return record(self, work)

    monkeypatch.setattr(TapeRecorder, "record", refuse)
    batches = [torch.arange(float(size)) for size in (3, 3, 3, 4, 4, 3, 4, 5, 5)]
    states, recorder = run_steps(lambda batch, state: batch.sum() + state, batches, torch.zeros(()))
    assert [state for (state,) in states] == [3, 6, 9, 15, 21, 24, 30, 40, 50]
    assert (recorder.recorded, recorder.replayed) == (1, 2)
    said = "note: toy trains without CUDA graphs: recording failed: operation not permitted\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("position", [0, 1, 5])
def test_groups_hold_every_batch_once_and_continue_after_any_group(position: int) -> None:
    loader = Batches(lambda rows: rows, 23, 2, seed=1)
    batches = [rows.tolist() for rows in loader]
    groups = Groups(Batches(lambda rows: rows, 23, 2, seed=1), 5)
    groups.load_state_dict({"position": position, "epoch": 0})
    found = [[rows.tolist() for rows in group] for group in groups]
    assert [len(group) for group in found[:-1]] == [5] * (len(found) - 1)
    assert list(chain(*found)) == batches[position:]
    assert len(groups) == 3
    assert groups.state_dict() == {"position": 0, "epoch": 1}
