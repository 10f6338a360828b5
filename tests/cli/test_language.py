"""`anamnesis generate` and `anamnesis score`, with a model whose answers are known."""

import json
import math
import os
import pty
import shutil
import subprocess
import sys

import pytest
from shell import anamnesis

from anamnesis.cli import language


def test_generate_prints_the_text_of_the_library(root):
    from anamnesis import models
    from anamnesis.tasks.language.model import generation

    model = models.load(root / "models" / "hello-uniform")
    done = anamnesis(root / "data", "generate", "hello-uniform", "--length", "25", "--seed", "3", "--top-k", "4")
    assert done.returncode == 0, done.stderr
    # The prompt and the temperature are those of params.yaml.
    assert done.stdout == "he" + "".join(generation.generate(model, "he", 25, temperature=0.7, top_k=4, seed=3)) + "\n"
    greedy = anamnesis(root, "generate", "hello-uniform", "--greedy", "--prompt", "jell", "--length", "4")
    assert greedy.stdout == "jell" + "".join(generation.generate(model, "jell", 4, greedy=True)) + "\n"


def test_a_prompt_steers_a_pipe_but_no_terminal(root):
    hostile, shown = "a\x1b[2J\u202eb", r"a\x1b[2J\u202eb"
    arguments = ["generate", "hello-uniform", "--prompt", hostile, "--length", "1"]
    piped = anamnesis(root, *arguments).stdout
    assert piped.startswith(hostile)
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "anamnesis.cli", *arguments]
    process = subprocess.Popen(command, cwd=root, stdin=subprocess.DEVNULL, stdout=follower, stderr=subprocess.PIPE)
    os.close(follower)
    assert process.wait(timeout=120) == 0, process.stderr.read()
    seen = os.read(leader, 10_000).decode()
    os.close(leader)
    assert seen.startswith(shown)
    assert "\x1b" not in seen
    # An error is for people, wherever it goes.
    refused = anamnesis(root, "generate", hostile)
    assert "\x1b" not in refused.stderr
    assert refused.stderr.startswith(f"error: no experiment is named {hostile!r}")


def test_a_wrong_name_suggests_the_nearest_experiment_or_registered_model(root, tmp_path):
    project = shutil.copytree(root, tmp_path / "copy")
    entry = {
        "model": "language-hello",
        "experiment": "hello-uniform",
        "fingerprint": "0" * 64,
        "metric": "m",
        "score": 1,
    }
    (project / "reports").mkdir()
    (project / "reports" / "registry.json").write_text(json.dumps({"models": [entry]}))
    for name, said in (
        ("language-hello", "did you mean the registered model 'language-hello@champion'?"),
        ("langage-hello@champion", "no registered model is named"),
        ("language-helo", "did you mean 'language-hello@champion'?"),
        ("hello-unifrom", "did you mean 'hello-uniform'?"),
    ):
        done = anamnesis(project, "generate", name)
        assert done.returncode != 0
        assert len(done.stderr.splitlines()) == 1
        assert said in done.stderr


def test_generate_refuses_options_that_contradict_each_other(root):
    both = anamnesis(root, "generate", "hello-uniform", "--greedy", "--top-k", "3")
    assert (both.returncode, both.stderr) == (
        2,
        "error: --greedy draws nothing: it goes without --temperature and --top-k\n",
    )


def test_generate_into_a_closed_pipe_ends_quietly(root):
    command = [sys.executable, "-m", "anamnesis.cli", "generate", "hello-uniform", "--length", "100000"]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.read(2) == "he"
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) != 0


@pytest.mark.parametrize("by", ["arguments", "standard input"])
def test_score_is_the_closed_form_of_a_uniform_model(root, by):
    sentences = ["hello", "jello hello"]
    given = sentences if by == "arguments" else []
    done = anamnesis(root, "score", "hello-uniform", *given, stdin="" if given else "\n".join(["", *sentences, ""]))
    assert done.returncode == 0, done.stderr
    header, *rows = [line.split("\t") for line in done.stdout.split("\n\n")[0].splitlines()]
    assert header == ["log-probability", "perplexity", "tokens", "unknown", "sentence"]
    assert [row[4] for row in rows] == sentences
    for row in rows:
        assert float(row[1]) == pytest.approx(8, rel=1e-3)
        assert float(row[0]) == pytest.approx(-int(row[2]) * math.log(8), abs=2e-3)


def test_score_prints_the_surprise_of_each_word(root):
    done = anamnesis(root, "score", "hello-uniform", "hello", "jello hello")
    assert done.returncode == 0, done.stderr
    title, *lines = done.stdout.split("\n\n")[1].splitlines()
    assert title == "surprise of each word, in nats"
    # The uniform model is as surprised by each of eight characters. After a line end the first one counts as well, and
    # the space that ends a word belongs to it.
    letter = math.log(8)
    assert lines == [f"hello {5 * letter:.2f}", f"jello {6 * letter:.2f}\thello {5 * letter:.2f}"]


def test_score_by_token_spells_each_out(root):
    done = anamnesis(root, "score", "hello-uniform", "--tokens", "hel o")
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()[-4:]]
    assert [row[0] for row in rows] == ['"e"', '"l"', '" "', '"o"']
    assert all(float(row[1]) == pytest.approx(math.log(8), abs=1e-3) for row in rows)


def test_a_reference_is_looked_up_in_the_registry(root, monkeypatch, capsys):
    from anamnesis import numerics
    from anamnesis.tracking import registry

    asked = []
    monkeypatch.chdir(root / "data")
    monkeypatch.setattr(numerics, "pin", lambda: None)
    monkeypatch.setattr(registry, "resolve", lambda name: asked.append(name) or root / "models" / "hello-uniform")
    language.score("language-hello@champion", ["hello"])
    language.score("language-hello/3", ["hello"])
    assert asked == ["language-hello@champion", "language-hello/3"]
    assert capsys.readouterr().out.count("\thello\n") == 2
