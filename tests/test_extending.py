"""Every example of docs/extending.md works: the test applies them to a copy of the package and runs all stages."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import anamnesis

PACKAGE = Path(anamnesis.__file__).parent
DOC = Path(__file__).resolve().parents[1] / "docs" / "extending.md"
BLOCK = re.compile(r"^```(yaml|python|diff) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = """
from pathlib import Path
from anamnesis import models, params, tasks
from anamnesis.stages.evaluate import evaluate
from anamnesis.stages.fetch import fetch
from anamnesis.stages.tokenize import tokenize
from anamnesis.stages.train import train


class Listener:
    def begin(self, *arguments, **more):
        pass

    log = sample = finish = fail = begin


settings = params.load()
for name, corpus in settings.corpora.items():
    fetch(name, corpus)
for name, tokens in settings.tokens.items():
    tokenize(name, tokens, Path())
for name, experiment in settings.experiments.items():
    train(name, experiment, Path(), lambda *arguments: Listener())
    evaluate(name, Path())
print(tasks.part("casing", "prediction").answer(models.load(Path("models/plays-casing")), ["hamlet. to be"], {}))
"""


def apply_diff(diff: str, path: Path) -> None:
    """Apply a diff without line numbers: each part, divided by `@@`, occurs once in the file."""
    text = path.read_text(encoding="utf-8")
    for part in diff.split("@@\n"):
        lines = part.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        after = "".join(line[1:] for line in lines if line[0] in " +")
        assert text.count(before) == 1, f"{path.name} of the package does not have, once:\n{before}"
        text = text.replace(before, after)
    path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with toy corpora, whose package has all the examples, after all stages."""
    root = tmp_path_factory.mktemp("extended")
    package = root / "src" / "anamnesis"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    settings = {"corpora.yaml": "corpora: {}\n", "params.yaml": "profile: laptop\n"}
    for kind, name, content in BLOCK.findall(DOC.read_text(encoding="utf-8")):
        if kind == "yaml":
            settings[name] += content
        elif kind == "diff":
            apply_diff(content, package / name)
        else:
            assert not (package / name).exists(), f"{name} is there already"
            (package / name).parent.mkdir(parents=True, exist_ok=True)
            (package / name).write_text(content, encoding="utf-8")
    for name, content in settings.items():
        (root / name).write_text(content, encoding="utf-8")
    draw = random.Random(1)
    words = ["To", "be", "or", "not", "Hamlet.", "to", "speak", "Night", "the", "king"]
    (root / "data" / "own" / "plays").mkdir(parents=True)
    (root / "data" / "own" / "chat").mkdir()
    lines = [" ".join(draw.choices(words, k=8)) + "\n" for _ in range(300)]
    (root / "data" / "own" / "plays" / "plays.txt").write_text("".join(lines), encoding="utf-8")
    messages = [{"author": "ab"[i % 2], "text": f"{'yes' if i % 2 else 'no'} {draw.random():.6f}"} for i in range(80)]
    chat = "".join(json.dumps(message) + "\n" for message in messages)
    (root / "data" / "own" / "chat" / "chat.jsonl").write_text(chat, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    done = subprocess.run([sys.executable, "-c", RUN], cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (root / "output.txt").write_text(done.stdout, encoding="utf-8")
    return root


def test_every_example_runs_through_all_stages(project):
    names = ["plays-indrnn", "plays-casing", "chat-tfidf"]
    metrics = {name: json.loads((project / "metrics" / f"{name}.json").read_text(encoding="utf-8")) for name in names}
    assert metrics["plays-indrnn"]["architecture"] == "indrnn"
    assert metrics["plays-indrnn"]["test"]["bits_per_character"] < 4
    assert metrics["plays-casing"]["test"]["accuracy"] > 0.8
    assert metrics["chat-tfidf"]["test"]["accuracy"] == 1
    # Matthews' coefficient of a perfect prediction, and of one whose confusion matrix has a correlation of 1 as well.
    assert metrics["chat-tfidf"]["test"]["matthews"] == 1
    assert -1 <= metrics["plays-casing"]["test"]["matthews"] < 1
    assert "hamlet" in (project / "output.txt").read_text(encoding="utf-8").lower()
