"""Speed as ratios of our code to a reference, measured alternately in one run, because machines are noisy.

python benchmarks/bench.py [training] [generation] [context] [gates] [translation] [classification] [pipeline]
    [overhead] [scale] [startup] [memory]
python benchmarks/bench.py gpu [--device cpu] [--seconds NUMBER] [--json FILE]
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from classification import classification
from gpu import gpu
from layers import context, gates
from measure import Result, alternate, train_epoch
from memory import memory
from pydantic import TypeAdapter
from scale import scale
from translation import translation

from anamnesis import numerics
from anamnesis.engine.estimate import DURATIONS

numerics.pin()

ROOT = Path(__file__).resolve().parent.parent


def training() -> Result:
    """Tokens per second of our training and of a bare PyTorch loop, with the network and batches of sherlock-lstm."""
    import numpy as np
    import torch

    from anamnesis import params
    from anamnesis.nn.stack import detach
    from anamnesis.tasks.language.model.network import RecurrentNetwork, segment_loss
    from anamnesis.tasks.language.model.streams import IGNORED, StreamBatches
    from anamnesis.tasks.language.settings import Streams
    from anamnesis.training.plan import NetworkPlan, perplexities

    torch.set_num_threads(1)
    experiment = params.load(ROOT / "params.yaml").experiments["sherlock-lstm"]
    streams, vocabulary, segments = experiment.batches, 80, 200
    model, settings = experiment.model, experiment.training
    ids = np.random.default_rng(0).integers(
        vocabulary, size=streams.batch * streams.steps * segments + 1, dtype=np.uint8
    )
    scratch = Path(tempfile.mkdtemp())

    def ours() -> None:
        torch.manual_seed(1)
        network = RecurrentNetwork(model, vocabulary)
        plan = NetworkPlan(
            network,
            partial(segment_loss, network),
            StreamBatches(ids, streams, None),
            StreamBatches(ids[:100], Streams(batch=1, steps=100), None),
            perplexities,
            headline="valid_perplexity",
            unit="tokens",
            units=len(ids) - 1,
        )
        train_epoch("bench", plan, settings, experiment.trainer, scratch)

    def bare() -> None:
        torch.manual_seed(1)
        network = RecurrentNetwork(model, vocabulary)
        optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, segments)
        state = network.stack.initial_state(streams.batch)
        total = torch.zeros(())
        for inputs, targets, _ in StreamBatches(ids, streams, None):
            outputs, state = network(inputs, detach(state))
            loss = torch.nn.functional.cross_entropy(
                network.softmax(outputs).flatten(0, 1), targets.flatten(), ignore_index=IGNORED
            )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm or 1e9)
            optimizer.step()
            scheduler.step()
            total += loss.detach()

    try:
        mine, plain = alternate(ours, bare, rounds=3)
    finally:
        shutil.rmtree(scratch)
    speeds = [(len(ids) - 1) / seconds for seconds in (mine, plain)]
    return Result(
        "training sherlock-lstm against a bare loop",
        f"{speeds[0]:,.0f} tokens/s",
        f"{speeds[1]:,.0f} tokens/s",
        speeds[0] / speeds[1],
        0.95,
        True,
    )


def generation() -> Result:
    """Characters per second with a carried state, and when the last 40 characters are read again for each one."""
    import numpy as np
    import torch

    from anamnesis.data.tokenizers.characters import Characters
    from anamnesis.tasks.language.model.generation import generate
    from anamnesis.tasks.language.model.network import RecurrentNetwork
    from anamnesis.tasks.language.model.predictor import RecurrentPredictor
    from anamnesis.tasks.language.settings import Model

    torch.set_num_threads(1)
    torch.manual_seed(1)
    tokenizer = Characters(["<unk>", *(chr(code) for code in range(32, 111))])
    settings: Any = TypeAdapter(Model).validate_python({"architecture": "lstm", "layers": 2, "hidden": 128})
    network = RecurrentNetwork(settings, tokenizer.vocabulary_size).eval()
    predictor = RecurrentPredictor(network, {}, tokenizer)
    window, characters = 40, 400
    prompt = "x" * window

    def ours() -> None:
        for _ in generate(predictor, prompt, characters, temperature=0.7):
            pass

    def rereading() -> None:
        generator = np.random.default_rng(0)
        ids = tokenizer.encode(prompt)
        with torch.inference_mode():
            for _ in range(characters):
                outputs, _ = network(torch.from_numpy(ids[-window:, None]), network.stack.initial_state(1))
                scores = network.softmax(outputs[-1, 0]).numpy()[1:] / 0.7
                weights = np.cumsum(np.exp(scores - scores.max()))
                token = 1 + np.searchsorted(weights, generator.random() * weights[-1], side="right")
                ids = np.append(ids, token)

    mine, slow = alternate(ours, rereading)
    return Result(
        "generation against re-reading a window of 40",
        f"{characters / mine:,.0f} characters/s",
        f"{characters / slow:,.0f} characters/s",
        slow / mine,
        20.0,
        True,
    )


def pipeline() -> list[Result]:
    """Seconds of `dvc repro` and `anamnesis repro` with nothing to do, and of DVC with as many trivial stages."""
    dvc = [sys.executable, "-m", "dvc"]
    environment = {**os.environ, "DVC_NO_ANALYTICS": "true"}

    def repro(folder: Path) -> str:
        done = subprocess.run([*dvc, "repro"], cwd=folder, env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    def engine() -> None:
        code = "from pathlib import Path; from rich.console import Console; from anamnesis.engine.run import repro; "
        code += "repro(Path.cwd(), [], 2, Console())"
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)

    listed = subprocess.run(
        [*dvc, "stage", "list", "--name-only"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    stages = len(listed.stdout.split())
    status = subprocess.run([*dvc, "status", "--quiet"], cwd=ROOT, env=environment).returncode
    if status:
        raise SystemExit("error: the pipeline has something to do; run `make repro` first")
    with tempfile.TemporaryDirectory() as name:
        trivial = Path(name)
        for command in (["git", "init", "--quiet"], [*dvc, "init", "--quiet"]):
            subprocess.run(command, cwd=trivial, check=True, capture_output=True)
        lines = ["stages:"]
        for number in range(stages):
            lines += [f"  s{number}:", f"    cmd: echo {number} > o{number}", "    outs:", f"    - o{number}"]
        (trivial / "dvc.yaml").write_text("\n".join(lines) + "\n")
        repro(trivial)
        mine, plain, ours = alternate(lambda: repro(ROOT), lambda: repro(trivial), engine, rounds=3)
    reference = f"{plain:.2f} s (dvc repro of {stages} trivial stages)"
    return [
        Result(f"dvc repro with nothing to do, {stages} stages", f"{mine:.2f} s", reference, mine, 6.0, False),
        Result(f"anamnesis repro with nothing to do, {stages} stages", f"{ours:.2f} s", reference, ours, 6.0, False),
    ]


def overhead() -> Result:
    """Median difference between the seconds of a train stage and those of its training, in the last run here."""
    durations = json.loads((ROOT / DURATIONS).read_text(encoding="utf-8"))
    differences = []
    for path in sorted((ROOT / ".anamnesis" / "timings").glob("*.json")):
        seconds = json.loads(path.read_text(encoding="utf-8")).get("seconds")
        stages = [durations[name] for name in durations if name.startswith("train") and name.endswith(f"@{path.stem}")]
        differences += [stages[0] - seconds] if stages and seconds else []
    if not differences:
        raise SystemExit("error: nothing was trained here; run `make repro` first")
    median = statistics.median(differences)
    what = f"seconds of a train stage beside its training, median of {len(differences)}"
    return Result(what, f"{median:.2f} s", "", median, 1.5, False)


def startup() -> Result:
    """Seconds of `anamnesis --help`, and of an empty Python program."""
    program = str(Path(sys.executable).with_name("anamnesis"))

    def call(*command: str) -> Callable[[], object]:
        return lambda: subprocess.run(command, capture_output=True, check=True)

    mine, plain = alternate(call(program, "--help"), call(sys.executable, "-c", "pass"), rounds=9)
    return Result("anamnesis --help, seconds", f"{mine:.2f} s", f"{plain:.2f} s (empty program)", mine, 0.5, False)


MEASURES: dict[str, Callable[[], Result | list[Result]]] = {
    function.__name__: function
    for function in (
        training,
        generation,
        context,
        gates,
        translation,
        classification,
        pipeline,
        overhead,
        scale,
        startup,
        memory,
    )
}


def main() -> None:
    """Run the benchmarks that the arguments name, or all, and print a table."""
    from rich.console import Console
    from rich.table import Table

    names = sys.argv[1:] or list(MEASURES)
    if names[0] == "gpu":
        # It runs alone, because it measures another machine.
        names, MEASURES["gpu"] = ["gpu"], lambda: gpu(sys.argv[2:])
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        raise SystemExit(f"error: {unknown[0]!r} is not a benchmark; allowed: {', '.join(MEASURES)}")
    table = Table("measure", "ours", "reference", "ratio", "goal", "")
    for name in names:
        print(f"measuring {name}", file=sys.stderr, flush=True)
        try:
            measured = MEASURES[name]()
        except SystemExit as error:
            # The table also lists benchmarks that cannot run here.
            table.add_row(name, str(error), "", "", "", "not measured")
            continue
        for result in measured if isinstance(measured, list) else [measured]:
            sign = ">=" if result.at_least else "<="
            verdict = "met" if result.met else "MISSED"
            table.add_row(
                result.what, result.ours, result.reference, f"{result.ratio:.2f}", f"{sign} {result.bound:g}", verdict
            )
    Console(width=None if sys.stdout.isatty() else 140).print(table)


if __name__ == "__main__":
    main()
