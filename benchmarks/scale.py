"""Cost of the engine and of DVC in projects with many experiments, whose stages do almost nothing."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import Result

ROOT = Path(__file__).resolve().parent.parent
SIZES = (50, 200, 1000)
# DVC parses params.yaml for each stage, so its time is quadratic: minutes with 1,000 experiments.
LARGEST_FOR_DVC = 200

CORPORA = "corpora:\n  hello: {reader: text, source: {kind: literal, text: hello, same: true}}\n"
PARAMS = """\
profile: laptop
tokens:
  hello-characters: {corpus: hello, kind: characters}
experiments:
"""
# An entry with as many settings as a real network.
EXPERIMENT = """\
  hello-%04d:
    task: language
    tokens: hello-characters
    seed: %d
    model: {architecture: lstm, layers: 2, hidden: 128}
    batches: {kind: streams, batch: 64, steps: 50}
    training: {epochs: 20, learning_rate: 0.004, clip_norm: 1.0, schedule: {kind: cosine}}
    sampling: {prompt: "The ", temperature: 0.7}
"""
# Writes the outputs of a stage, as small as possible, and logs the CPU time of its process.
SCRIPT = """\
import os, sys, time
from pathlib import Path
kind, name = Path(sys.argv[0]).stem, (sys.argv[1:] or ["all"])[0]
outputs = {
    "fetch": [f"data/raw/{name}/train.txt"],
    "tokenize": [f"data/tokens/{name}/ids.npy", f"data/tokens/{name}/stats.json"],
    "train": [f"models/{name}/{file}" for file in ("weights.safetensors", "model.json", "history.csv", "samples.txt")],
    "evaluate": [f"metrics/{name}.json", f"predictions/{name}/text.txt", f"predictions/{name}/curve.csv"],
    "compare": ["reports/index.html", "reports/leaderboard.csv", "reports/curves.csv"],
    "register": ["reports/registry.json"],
}
for output in outputs[kind]:
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    Path(output).write_text("{}" if output.endswith("json") else f"{kind} {name}\\n")
with open(".anamnesis/spent", "a") as file:
    file.write(f"{time.process_time()}\\n")
"""
DRIVER = """\
import json, resource, sys, time
from pathlib import Path
from rich.console import Console
from anamnesis.engine.run import repro
start = time.monotonic()
repro(Path.cwd(), [], 2, Console(file=sys.stderr))
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"wall": time.monotonic() - start, "cpu": time.process_time(), "memory": usage.ru_maxrss / 2**20}))
"""


@contextmanager
def project(experiments: int) -> Iterator[Path]:
    """A temporary project with this project's dvc.yaml and code, whose stages do nothing."""
    root = Path(tempfile.mkdtemp(prefix="anamnesis-scale-"))
    try:
        for name in ("dvc.yaml", ".dvcignore", ".gitignore", ".dvc/config"):
            (root / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(ROOT / name, root / name)
        shutil.copytree(ROOT / "src" / "anamnesis", root / "src" / "anamnesis")
        shutil.copytree(ROOT / "data" / "own", root / "data" / "own")
        for folder in ("pipelines", ".anamnesis", "cells"):
            (root / folder).mkdir()
        for kind in ("fetch", "tokenize", "train", "evaluate", "compare", "register"):
            (root / "pipelines" / f"{kind}.py").write_text(SCRIPT)
        entries = "".join(EXPERIMENT % (number, number) for number in range(experiments))
        (root / "corpora.yaml").write_text(CORPORA)
        (root / "params.yaml").write_text(f"{PARAMS}{entries}")
        subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
        yield root
    finally:
        shutil.rmtree(root)


def run(root: Path) -> dict[str, float]:
    """Wall-clock seconds, CPU seconds and peak gigabytes of the engine's process in one run."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def scale() -> list[Result]:
    """CPU seconds per stage, seconds to find nothing to do, and peak memory, by the number of experiments."""
    results, costs = [], {}
    for experiments in SIZES:
        with project(experiments) as root:
            first = run(root)
            spent = [float(line) for line in (root / ".anamnesis" / "spent").read_text().split()]
            again = run(root)
            dvc = "not measured"
            if experiments <= LARGEST_FOR_DVC:
                start = time.monotonic()
                subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=root, check=True)
                dvc = f"{time.monotonic() - start:.1f} s"
        stages = len(spent)
        costs[experiments] = (first["cpu"] - again["cpu"] + sum(spent)) / stages
        what = f"{experiments} experiments, {stages} stages"
        results += [
            Result(
                f"{what}: CPU seconds per stage, including the process of the stage",
                f"{costs[experiments]:.3f} s",
                f"{first['wall']:.0f} s in all",
                costs[experiments],
                1.5,
                False,
            ),
            Result(
                f"{what}: seconds to find nothing to do",
                f"{again['wall']:.1f} s",
                f"{dvc} (dvc repro)",
                again["wall"],
                10.0,
                False,
            ),
            Result(
                f"{what}: peak memory of the engine, GB", f"{first['memory']:.2f} GB", "", first["memory"], 1.0, False
            ),
        ]
    ratio = costs[SIZES[-1]] / costs[SIZES[0]]
    results.append(
        Result(
            f"CPU seconds per stage with {SIZES[-1]} and with {SIZES[0]} experiments",
            f"{costs[SIZES[-1]]:.3f} s",
            f"{costs[SIZES[0]]:.3f} s",
            ratio,
            4 / 3,
            False,
        )
    )
    return results
