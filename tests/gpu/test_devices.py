"""Two GPUs that train one network, against one: the same weights, and files written once."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from settings_files import write_settings
from toy_pairs import PAIRS

from anamnesis.data.stores import store
from anamnesis.data.tokenizers.settings import WordPairs

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs; two processes on a CPU: tests/training")
def test_two_gpus_take_the_step_of_one(tmp_path: Path) -> None:
    rows = [("source", "target", "origin"), *((*pair, "toy") for pair in PAIRS)]
    for split in ("train", "valid", "test"):
        with open(tmp_path / f"{split}.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    entry = WordPairs(corpus="pairs", kind="word-pairs")
    sources = {split: tmp_path / f"{split}.csv" for split in ("train", "valid", "test")}
    store.write(tmp_path / "data" / "tokens" / "pairs", entry, sources)
    experiment: dict[str, Any] = {
        "task": "translation",
        "tokens": "pairs",
        "model": {"architecture": "attention", "cell": "gru", "hidden": 8},
        "batch": 10_000,
        # A step of plain gradient descent: the weights move by the gradient and nothing else.
        "training": {"epochs": 2, "optimizer": "sgd", "learning_rate": 1.0, "clip_norm": None},
    }
    content = {
        "profile": "laptop",
        "corpora": {},
        "own_corpora": {"pairs": {"reader": "pairs", "source": {"kind": "file", "path": "pairs.tsv"}}},
        "tokens": {"pairs": entry.model_dump(mode="json")},
        "experiments": {
            f"on-{number}": {**experiment, "trainer": {"accelerator": "gpu", "devices": number}} for number in (1, 2)
        },
    }
    write_settings(tmp_path, content)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    for number in (1, 2):
        command = [sys.executable, "-P", str(ROOT / "pipelines" / "train.py"), f"on-{number}"]
        environment = {**os.environ, "ANAMNESIS_TRACKING": "off"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("after epoch") == 1
    alone, together = (load_file(tmp_path / "models" / f"on-{number}" / "weights.safetensors") for number in (1, 2))
    for key, value in alone.items():
        # Sums in another order, and cuDNN may round to the 11 bits of TF32.
        np.testing.assert_allclose(together[key], value, rtol=0, atol=1e-3)
    assert max(float(np.abs(value).max()) for value in alone.values()) > 0.1
