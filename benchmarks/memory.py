"""Peak memory of each stage of an n-gram experiment on a text of 100 MB, whose tokens must stay on the disk."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Result

ROOT = Path(__file__).resolve().parent.parent
SIZE = 100_000_000
WORDS = 20_000
GOAL = 2.0
CORPORA = "corpora: {}\nown_corpora:\n  long: {reader: text, source: {kind: file, path: long.txt}}\n"
PARAMS = """\
profile: laptop
tokens:
  long-characters: {corpus: long, kind: characters}
experiments:
  long-ngram5: {task: language, tokens: long-characters, model: {architecture: ngram, order: 5}}
"""
STAGES = (("fetch", "long"), ("tokenize", "long-characters"), ("train", "long-ngram5"), ("evaluate", "long-ngram5"))


def write_text(path: Path, size: int) -> None:
    """Write sentences of random words, whose frequencies follow Zipf's law.

    Args:
        size: in characters.
    """
    import numpy as np

    random = np.random.default_rng(1)
    letters = np.array([*"eeeeeetttttaaaaooooiiiinnnnsssshhhrrrddlluucmmfwygpbvkxqjz"])
    words = np.array(["".join(random.choice(letters, length)) for length in random.integers(1, 11, WORDS)])
    share = 1 / np.arange(1, WORDS + 1)
    ends = np.array([" "] * 12 + [", ", ". ", ".\n"])
    with open(path, "w", encoding="utf-8") as file:
        while file.tell() < size:
            drawn = random.choice(words, 100_000, p=share / share.sum())
            file.write("".join(np.char.add(drawn, random.choice(ends, len(drawn))).tolist()))


def memory() -> list[Result]:
    """Peak resident memory of the process of each stage, in GB."""
    root = Path(tempfile.mkdtemp(prefix="anamnesis-memory-"))
    try:
        (root / "data" / "own" / "long").mkdir(parents=True)
        write_text(root / "data" / "own" / "long" / "long.txt", SIZE)
        (root / "corpora.yaml").write_text(CORPORA)
        (root / "params.yaml").write_text(PARAMS)
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "ANAMNESIS_TRACKING": "off"}
        results = []
        for stage, name in STAGES:
            command = [sys.executable, "-P", str(ROOT / "pipelines" / f"{stage}.py"), name]
            process = subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise SystemExit(f"the stage {stage} failed")
            peak, seconds = usage.ru_maxrss / 2**20, usage.ru_utime + usage.ru_stime
            what = f"{stage} of {SIZE / 1e6:.0f} MB of characters, n-grams of order 5: peak memory, GB"
            results.append(Result(what, f"{peak:.2f} GB", f"{seconds:.0f} s", peak, GOAL, False))
        return results
    finally:
        shutil.rmtree(root)
