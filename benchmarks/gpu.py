"""Speed on one GPU, as ratios within one run: our training, our layers and mixed precision against plain PyTorch.

Without a GPU there is nothing to measure. `--device cpu` runs all of it in small on the CPU, to see that it works; its
numbers mean nothing.
"""

import argparse
import dataclasses
import json
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layers import equations
from measure import Result, alternate, train_epoch
from pydantic import TypeAdapter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from anamnesis.training.plan import NetworkPlan

Step = Callable[[Any, Any], "tuple[Tensor, Any]"]
"""(batch on the device, state) -> the loss, and the state that the next batch begins with."""


@dataclass(frozen=True)
class Sizes:
    """How large everything is.

    Attributes:
        hidden: units of the large networks that are trained.
        small: units of small language models, whose steps the processor cannot start as fast as the GPU computes them.
        vocabulary: tokens of each language.
        batches: of an epoch.
        streams: sequences side by side.
        tokens: target tokens in a batch of pairs.
        layers: hidden and context units of the layers that are measured alone.
        rounds: turns of which the median is taken.
    """

    hidden: int
    small: tuple[int, ...]
    vocabulary: int
    batches: int
    streams: int
    tokens: int
    layers: tuple[tuple[int, int], ...]
    rounds: int


# As in the seed profile: 1,024 units; layers as in its tales, and as wide.
LARGE = Sizes(1024, (64, 128), 10_000, 500, 64, 4000, ((64, 64), (256, 64), (1024, 256)), 3)
SMALL = Sizes(16, (8,), 50, 6, 4, 60, ((8, 4),), 1)
STEPS, LAYER_STEPS, PASSES = 50, 50, 20
BOTH = ("32-true", "bf16-mixed")


@dataclass(frozen=True)
class Task:
    """What is trained: `module()` and its `step` in a loop of one's own, on the same batches.

    Attributes:
        name: in the table.
        unit: of its speed.
        count: how many of them an epoch has.
        plan: returns the plan of the training, with a new network.
        step: the loss of a bare loop.
        goal: our speed relative to that of the bare loop.
    """

    name: str
    unit: str
    count: int
    plan: "Callable[[], NetworkPlan]"
    step: Callable[[Any], Step]
    goal: float


def gpu(arguments: Sequence[str] = ()) -> list[Result]:
    """Training language models and a translator, layers alone, and the large networks in both precisions.

    Args:
        arguments: `--device cpu` or `cuda`; `--seconds`, the time for all measurements, of which long ones have fewer
            turns then, but at least one; `--json`, a file to which each result is appended as a line at once.

    Raises:
        SystemExit: there is no GPU, or an argument is not known.
    """
    import torch

    parser = argparse.ArgumentParser(prog="bench.py gpu")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    device = options.device
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("gpu: PyTorch sees no GPU here; --device cpu runs the same in small, which measures nothing")
    sizes = LARGE if device == "cuda" else SMALL
    torch.set_num_threads(1)
    machine = torch.cuda.get_device_name() if device == "cuda" else "the CPU, in small: these numbers mean nothing"
    print(f"on {machine}; PyTorch {torch.__version__}", flush=True)
    # Short ones first: what they leave of their share of the time is for the others. The translator has the longest
    # turns, so that what it takes beyond its share is known before the last one begins.
    measures: list[Callable[[float], list[Result]]] = [
        *(partial(of, *layers, device, sizes) for layers in sizes.layers for of in (_context, _in_graphs)),
        *(
            # The vocabulary is that of the tales: with a large one, the softmax would keep the GPU busy.
            # An epoch of them is short, so that it has more batches.
            partial(
                _training,
                partial(_language, hidden, 1441, 3.0),
                ("32-true",),
                device,
                dataclasses.replace(sizes, batches=4 * sizes.batches),
            )
            for hidden in sizes.small
        ),
        # As many tokens as in the seed profile, and as many as fill the GPU.
        partial(_training, _translation, BOTH, device, dataclasses.replace(sizes, tokens=sizes.tokens * 3 // 20)),
        partial(_training, _translation, BOTH, device, sizes),
        partial(_training, partial(_language, sizes.hidden, sizes.vocabulary, 0.95), BOTH, device, sizes),
    ]
    results = []
    end = time.monotonic() + options.seconds
    for number, measure in enumerate(measures):
        found = measure(max(end - time.monotonic(), 0.0) / (len(measures) - number))
        results += found
        if options.json:
            with open(options.json, "a", encoding="utf-8") as file:
                file.writelines(json.dumps({**dataclasses.asdict(each), "met": each.met}) + "\n" for each in found)
    return results


def _training(
    task_of: Callable[[Sizes], Task], precisions: Sequence[str], device: str, sizes: Sizes, budget: float
) -> list[Result]:
    """Our train stage against a bare loop in each precision, and in mixed precision against single."""
    # oneDNN has the LSTM in 16 bits for some processors only.
    precisions = precisions if device == "cuda" else ("32-true",)
    scratch = Path(tempfile.mkdtemp())

    def runs(task: Task) -> list[Callable[[], None]]:
        made = [_ours(task, device, precision, scratch) for precision in precisions]
        made += [_bare(task, device, precision) for precision in precisions]
        return [_timed(run, device) for run in made]

    task = task_of(sizes)
    try:
        # A few batches load all kernels and libraries, for which a whole epoch of each would take too long.
        for run in runs(task_of(dataclasses.replace(sizes, batches=max(sizes.batches // 20, 2)))):
            run()
        seconds = alternate(*runs(task), rounds=sizes.rounds, budget=budget, warm=True)
    finally:
        shutil.rmtree(scratch)
    speeds = [task.count / each for each in seconds]
    ours, plain = speeds[: len(precisions)], speeds[len(precisions) :]

    def show(speed: float) -> str:
        return f"{speed:,.0f} {task.unit}/s"

    results = [
        Result(
            f"{task.name}, {precision}, against a bare loop", show(mine), show(theirs), mine / theirs, task.goal, True
        )
        for precision, mine, theirs in zip(precisions, ours, plain, strict=True)
    ]
    if len(precisions) > 1:
        what = f"{task.name}, bf16-mixed against 32-true"
        results.append(Result(what, show(ours[1]), show(ours[0]), ours[1] / ours[0], 1.0, True))
    return results


def _timed(run: Callable[[], None], device: str) -> Callable[[], None]:
    """`run` until the GPU has done it, too."""
    import torch

    def timed() -> None:
        run()
        if device == "cuda":
            torch.cuda.synchronize()

    return timed


def _settings() -> Any:
    from anamnesis.training.settings import Training

    return Training(epochs=1, learning_rate=0.001, checkpoint_steps=10**6)


def _ours(task: Task, device: str, precision: str, scratch: Path) -> Callable[[], None]:
    """An epoch of our training, a checkpoint of which is not part."""
    import torch

    from anamnesis.training.settings import Trainer

    accelerator = "gpu" if device == "cuda" else "cpu"
    machine = Trainer.model_validate({"accelerator": accelerator, "precision": precision})
    torch.manual_seed(1)
    # Each turn continues the training.
    plan = task.plan()

    def run() -> None:
        # The trainer switches it on for good, and the loop would pay for it, too.
        try:
            train_epoch("bench", plan, _settings(), machine, scratch)
        finally:
            torch.use_deterministic_algorithms(False)

    return run


def _bare(task: Task, device: str, precision: str) -> Callable[[], None]:
    """The same epoch in a loop as one writes it: pinned batches, a fused optimiser, clipping, and nothing else."""
    import torch
    from lightning_utilities.core.apply_func import apply_to_collection

    torch.manual_seed(1)
    plan = task.plan()
    network = plan.network.to(device)
    step = task.step(network)

    def sent(part: Any) -> Any:
        return part.pin_memory().to(device, non_blocking=True) if device == "cuda" else part

    def run() -> None:
        network.to(device).train()
        optimizer = torch.optim.Adam(network.parameters(), lr=0.001, fused=True)
        state = None
        total = torch.zeros((), device=device)
        for batch in plan.train:
            moved = apply_to_collection(batch, torch.Tensor, sent)
            with torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16-mixed"):
                loss, state = step(moved, state)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            total += loss.detach()
        assert torch.isfinite(total)

    return run


def _language(hidden: int, vocabulary: int, goal: float, sizes: Sizes) -> Task:
    """An LSTM that carries its state along parallel streams."""
    import numpy as np

    from anamnesis.nn.stack import detach
    from anamnesis.tasks.language.model.network import RecurrentNetwork, segment_loss
    from anamnesis.tasks.language.model.streams import StreamBatches
    from anamnesis.tasks.language.settings import Model, Streams
    from anamnesis.training.plan import NetworkPlan, perplexities

    model: Any = TypeAdapter(Model).validate_python({"architecture": "lstm", "hidden": hidden})
    streams = Streams(batch=sizes.streams, steps=STEPS)
    count = sizes.streams * STEPS * sizes.batches
    ids = np.random.default_rng(0).integers(vocabulary, size=count + 1)

    def plan() -> NetworkPlan:
        network = RecurrentNetwork(model, vocabulary)
        return NetworkPlan(
            network,
            partial(segment_loss, network),
            StreamBatches(ids, streams, None),
            StreamBatches(ids[:100], Streams(batch=1, steps=100), None),
            perplexities,
            headline="valid_perplexity",
            unit="tokens",
            units=count,
        )

    def step(network: Any) -> Step:
        def run(batch: Any, state: Any) -> "tuple[Tensor, Any]":
            inputs, targets, _ = batch
            before = network.stack.initial_state(inputs.shape[1]) if state is None else detach(state)
            outputs, after = network(inputs, before)
            return network.loss(outputs, targets) / targets.numel(), after

        return run

    return Task(f"language model, LSTM of {hidden} units", "tokens", count, plan, step, goal)


def _translation(sizes: Sizes) -> Task:
    """An encoder-decoder with attention."""
    import numpy as np

    from anamnesis.tasks.translation.model.batches import PairBatches, pad_to_fixed_shape
    from anamnesis.tasks.translation.model.network import EncoderDecoder
    from anamnesis.tasks.translation.settings import Attentive
    from anamnesis.training.plan import NetworkPlan, perplexities

    model = Attentive(architecture="attention", cell="gru", hidden=sizes.hidden)
    random = np.random.default_rng(1)

    def sentences(seed: int) -> "list[NDArray[np.int64]]":
        """As long as sentences are: half of them up to 9 words; the end is 2."""
        words = np.random.default_rng(seed)
        return [np.append(words.integers(3, sizes.vocabulary, size=length), 2) for length in lengths.tolist()]

    lengths = np.exp(random.normal(np.log(9), 0.5, sizes.batches * sizes.tokens // 12)).astype(np.int64).clip(1, 50)
    sources, targets = sentences(2), sentences(3)

    def plan() -> NetworkPlan:
        network = EncoderDecoder(model, sizes.vocabulary, sizes.vocabulary)
        return NetworkPlan(
            network,
            lambda batch, state: network.loss(batch),
            PairBatches(sources, targets, 1, sizes.tokens, 1),
            PairBatches(sources[:2], targets[:2], 1, sizes.tokens, None),
            perplexities,
            headline="valid_perplexity",
            unit="target tokens",
            units=sum(map(len, targets)),
            pad_to_fixed_shape=pad_to_fixed_shape,
        )

    def step(network: Any) -> Step:
        def run(batch: Any, state: Any) -> "tuple[Tensor, Any]":
            return network.loss(batch).mean, None

        return run

    count = sum(map(len, targets))
    name = f"translator with attention, GRU of {sizes.hidden} units, batches of {sizes.tokens} tokens"
    return Task(name, "target tokens", count, plan, step, 0.95)


def _context(hidden: int, context: int, device: str, sizes: Sizes, budget: float) -> list[Result]:
    """Forward and backward over a segment: the context network against a loop of its equations, and against nn.RNN."""
    import torch

    from anamnesis.nn.cells.rnn import RNN
    from anamnesis.nn.cells.scrn import SCRN

    torch.manual_seed(1)
    layer, plain = SCRN(hidden, hidden, context).to(device), RNN(hidden, hidden).to(device)
    state = layer.initial_state(sizes.streams)
    inputs = torch.randn(LAYER_STEPS, sizes.streams, hidden, device=device, requires_grad=True)

    def passes(part: Any, forward: "Callable[[Tensor], Tensor]") -> Callable[[], None]:
        gradient = torch.randn_like(forward(inputs))

        def run() -> None:
            # Many, so that waiting for the GPU at the end weighs nothing.
            for _ in range(PASSES if device == "cuda" else 1):
                part.zero_grad()
                inputs.grad = None
                forward(inputs).backward(gradient)

        return _timed(run, device)

    ours, looped, plainly = alternate(
        passes(layer, lambda x: layer(x, state)[0]),
        passes(layer, lambda x: equations(layer, x, *state)),
        passes(plain, lambda x: plain(x, state[:1])[0]),
        rounds=sizes.rounds,
        budget=budget,
    )
    steps = sizes.streams * LAYER_STEPS * (PASSES if device == "cuda" else 1)
    name = f"scrn, {hidden} hidden and {context} context units"

    def against(what: str, seconds: float, goal: float) -> Result:
        speeds = f"{steps / ours:,.0f} steps/s", f"{steps / seconds:,.0f} steps/s"
        return Result(f"{name}, against {what}", *speeds, seconds / ours, goal, True)

    return [against("a loop of its equations", looped, 1.5), against("nn.RNN", plainly, 0.75)]


def _in_graphs(hidden: int, context: int, device: str, sizes: Sizes, budget: float) -> list[Result]:
    """Forward and backward over a segment, captured in a CUDA graph: our layers against PyTorch's fused ones.

    The processor then starts one graph for a segment, so that the times are those of the GPU. On the CPU, nothing is
    captured.
    """
    import torch

    from anamnesis.nn.cells.lstm import LSTM
    from anamnesis.nn.cells.lstm_gates import GatesLSTM
    from anamnesis.nn.cells.rnn import RNN
    from anamnesis.nn.cells.scrn import SCRN

    torch.manual_seed(1)
    inputs = torch.randn(LAYER_STEPS, sizes.streams, hidden, device=device, requires_grad=True)

    def passes(layer: Any) -> Callable[[], None]:
        layer.to(device)
        state = layer.initial_state(sizes.streams)
        gradient = torch.randn_like(layer(inputs, state)[0])

        def once() -> None:
            torch.autograd.grad(layer(inputs, state)[0], [inputs, *layer.parameters()], gradient)

        replay = _captured(once) if device == "cuda" else once

        def run() -> None:
            for _ in range(PASSES if device == "cuda" else 1):
                replay()

        return _timed(run, device)

    layers = GatesLSTM(hidden, hidden), LSTM(hidden, hidden), SCRN(hidden, hidden, context), RNN(hidden, hidden)
    seconds = alternate(*map(passes, layers), rounds=sizes.rounds, budget=budget)
    steps = sizes.streams * LAYER_STEPS * (PASSES if device == "cuda" else 1)
    gates, lstm, ours, rnn = (steps / each for each in seconds)

    def against(what: str, mine: float, theirs: float, goal: float) -> Result:
        return Result(what, f"{mine:,.0f} steps/s", f"{theirs:,.0f} steps/s", mine / theirs, goal, True)

    name = f"scrn, {hidden} hidden and {context} context units"
    return [
        against(f"lstm-gates, {hidden} units, in a CUDA graph, against nn.LSTM", gates, lstm, 0.4),
        against(f"{name}, in a CUDA graph, against nn.RNN", ours, rnn, 0.75),
    ]


def _captured(run: Callable[[], None]) -> Callable[[], None]:
    """`run` as a CUDA graph to replay."""
    import torch

    # Libraries allocate their workspaces in the first calls, which must not be part of the graph.
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay
