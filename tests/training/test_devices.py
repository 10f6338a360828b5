"""Two processes that train one network: as one process with the same batches, and on from where both were killed."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import forks
import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter
from safetensors.numpy import load_file
from settings_files import write_settings
from toy_pairs import PAIRS

from anamnesis.data.stores import store
from anamnesis.data.tokenizers.settings import Tokens

ROOT = Path(__file__).resolve().parents[2]
# A step of plain gradient descent: the weights move by the gradient and nothing else.
GRADIENT = {"epochs": 1, "optimizer": "sgd", "learning_rate": 1.0, "clip_norm": None}
EXPERIMENTS: dict[str, Any] = {
    # Eleven pairs, of which one process takes six and the other five, with unequal numbers of words.
    "pairs": {
        "task": "translation",
        "tokens": "toy-words",
        "model": {"architecture": "attention", "cell": "gru", "hidden": 8, "label_smoothing": 0.1},
        "batch": 10_000,
        "training": GRADIENT,
        "search": {"beam": 2},
    },
    # Five streams for two processes, the last with a stream that is empty; the state is carried over many segments.
    "streams": {
        "task": "language",
        "tokens": "toy-characters",
        "model": {"architecture": "lstm", "hidden": 8},
        "batches": {"kind": "streams", "batch": 5, "steps": 20},
        "training": {"epochs": 3, "optimizer": "sgd", "learning_rate": 0.5, "checkpoint_steps": 7},
        "sampling": {"length": 10},
    },
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which each of EXPERIMENTS is there for one process, NAME-1, and for two, NAME-2."""
    root = tmp_path_factory.mktemp("devices")
    pairs = [*PAIRS, *((f"{a} {b}", f"{x} {y}") for (a, x), (b, y) in pairwise(PAIRS))]
    text = "".join(topics[name] for name in sorted(topics))
    for split, some, share in (("train", pairs, text[:6000]), ("valid", pairs[3:6], text[6000:7000])):
        write(root, split, some, share)
    write(root, "test", pairs[:4], text[7000:8000])
    entries = {
        "toy-words": {"corpus": "pairs", "kind": "word-pairs"},
        "toy-characters": {"corpus": "text", "kind": "characters"},
    }
    for name, entry in entries.items():
        settings = TypeAdapter(Tokens).validate_python(entry)
        suffix = "csv" if entry["corpus"] == "pairs" else "txt"
        sources = {split: root / f"{split}.{suffix}" for split in ("train", "valid", "test")}
        store.write(root / "data" / "tokens" / name, settings, sources)
    corpora = {
        "pairs": {"reader": "pairs", "source": {"kind": "file", "path": "pairs.tsv"}},
        "text": {"reader": "text", "source": {"kind": "file", "path": "text.txt"}},
    }
    experiments = {
        f"{name}-{devices}": {**experiment, "trainer": {"devices": devices}}
        for name, experiment in EXPERIMENTS.items()
        for devices in (1, 2)
    }
    content = {"corpora": {}, "own_corpora": corpora, "tokens": entries, "experiments": experiments}
    write_settings(root, {"profile": "laptop", **content})
    (root / "dvc.yaml").write_text("stages: {}\n")
    return root


def write(root: Path, split: str, pairs: list[tuple[str, str]], text: str) -> None:
    with open(root / f"{split}.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("source", "target", "origin"), *((*pair, "toy") for pair in pairs)])
    (root / f"{split}.txt").write_text(text, encoding="utf-8")


def command(stage: str, name: str) -> tuple[list[str], dict[str, str]]:
    """A stage's script with its argument, and the environment it runs in."""
    return [str(ROOT / "pipelines" / f"{stage}.py"), name], {**os.environ, "ANAMNESIS_TRACKING": "off"}


def start(project: Path, stage: str, name: str) -> "subprocess.Popen[str]":
    """The stage as the pipeline runs it; the processes it starts are of its group."""
    script, environment = command(stage, name)
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-P", *script],
        cwd=project,
        env=environment,
        stdout=pipe,
        stderr=pipe,
        text=True,
        start_new_session=True,
    )


def run(project: Path, stage: str, name: str) -> "subprocess.CompletedProcess[str]":
    """The stage from its start to its end; it starts the second process of two as it always does."""
    script, environment = command(stage, name)
    code = "import runpy, sys; runpy.run_path(sys.argv[0], run_name='__main__')"
    (done,) = forks.run(code, *script, folder=project, environment=environment)
    return done


def finished(project: Path, stage: str, name: str) -> str:
    done = run(project, stage, name)
    assert done.returncode == 0, done.stderr
    return done.stdout


def history(project: Path, name: str) -> np.ndarray:
    return np.loadtxt(project / "models" / name / "history.csv", delimiter=",", skiprows=1, ndmin=2)


def weights(project: Path, name: str) -> dict[str, np.ndarray]:
    return load_file(project / "models" / name / "weights.safetensors")


def same(project: Path, name: str) -> None:
    """Two processes learned what one did: every weight, and every perplexity of the history."""
    alone, together = weights(project, f"{name}-1"), weights(project, f"{name}-2")
    assert alone.keys() == together.keys()
    for key, value in alone.items():
        np.testing.assert_allclose(together[key], value, rtol=0, atol=1e-6, err_msg=key)
    # A file of history has six digits.
    np.testing.assert_allclose(history(project, f"{name}-2"), history(project, f"{name}-1"), rtol=2e-6)


def test_a_step_goes_along_the_gradient_of_the_whole_batch(project: Path) -> None:
    for name in ("pairs-1", "pairs-2"):
        output = finished(project, "train", name)
        # Only the first process speaks, and it is the one that writes.
        assert output.count("after epoch 1 of 1") == 1
        assert output.count("11 pairs in 1 batches") == 1
        finished(project, "evaluate", name)
    same(project, "pairs")
    moved = [float(np.abs(value).max()) for value in weights(project, "pairs-1").values()]
    assert max(moved) > 0.01
    one, two = (json.loads((project / "metrics" / f"pairs-{n}.json").read_text()) for n in (1, 2))
    for split in ("valid", "test"):
        for metric in ("perplexity", "bleu", "chrf"):
            assert two[split][metric] == pytest.approx(one[split][metric], rel=1e-6, abs=1e-6)


def test_killed_and_resumed_with_the_state_of_every_stream(project: Path) -> None:
    finished(project, "train", "streams-1")
    process = start(project, "train", "streams-2")
    checkpoints = project / ".anamnesis" / "checkpoints" / "streams-2"
    while not list(checkpoints.glob("*.ckpt")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (project / "models" / "streams-2").exists()
    finished(project, "train", "streams-2")
    same(project, "streams")
    assert len(history(project, "streams-2")) == 3


def test_what_one_process_has_to_itself_is_refused(project: Path) -> None:
    content = yaml.safe_load((project / "params.yaml").read_text())
    lstm = {**EXPERIMENTS["streams"]["model"], "norm": "batch"}
    news = {**content["experiments"]["streams-2"], "model": lstm}
    content["experiments"]["normalised"] = news
    (project / "params.yaml").write_text(yaml.safe_dump(content))
    done = run(project, "train", "normalised")
    assert done.returncode == 1
    assert done.stderr.count("normalised: trainer.devices: found 2 processes") == 1
    assert "Traceback" not in done.stderr
