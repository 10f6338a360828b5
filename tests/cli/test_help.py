"""What every command has in common: its help, and what it says outside of a project."""

import subprocess
import sys

import pytest
from shell import anamnesis

HEAVY = {"torch", "pytorch_lightning", "mlflow", "dvc", "pandas", "numpy", "altair", "tokenizers", "jieba", "aiohttp"}
HEAVY |= {"matplotlib", "sklearn", "sacrebleu"}
COMMANDS = [
    "list",
    "show",
    "generate",
    "score",
    "fill",
    "translate",
    "classify",
    "caption",
    "forecast",
    "promote",
    "sync",
    "repro",
    "leaderboard",
    "ui",
    "profile",
]


def test_help_imports_nothing_heavy():
    code = "import sys; sys.argv = ['anamnesis', '--help']\ntry: import anamnesis.cli; anamnesis.cli.main()\n"
    code += "except SystemExit: pass\nprint(sorted(m for m in sys.modules if '.' not in m), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert all(command in done.stdout for command in COMMANDS)
    loaded = done.stderr.strip().splitlines()[-1]
    assert "typer" in loaded
    assert not [name for name in HEAVY if f"'{name}'" in loaded]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_shows_an_example(tmp_path, command):
    done = anamnesis(tmp_path, command, "--help")
    assert done.returncode == 0
    assert f"anamnesis {command}" in done.stdout.split("Example")[1]


def test_unknown_command_is_refused(tmp_path):
    done = anamnesis(tmp_path, "generat")
    assert done.returncode == 2
    assert "generate" in done.stderr


@pytest.mark.parametrize("command", [["list"], ["generate", "a"], ["classify", "a"], ["repro"], ["sync"]])
def test_outside_of_a_project_is_one_line(tmp_path, command):
    done = anamnesis(tmp_path, *command)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: {tmp_path} is not inside a project: no folder from there upward holds params.yaml and dvc.yaml\n"
    )


@pytest.mark.parametrize("command", [["show", "hello-unifrm"], ["score", "hello-unifrm", "a"]])
def test_misspelt_experiment_suggests_the_nearest(root, command):
    done = anamnesis(root, *command)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: no experiment is named 'hello-unifrm'; did you mean 'hello-uniform'?\n"


@pytest.mark.parametrize("command", ["translate", "score"])
def test_input_that_is_not_utf8_is_one_line(pairs, command):
    model = ["--model", "toy-attention"] if command == "translate" else ["toy-attention"]
    done = subprocess.run(
        [sys.executable, "-m", "anamnesis.cli", command, *model],
        cwd=pairs,
        input=b"The cat\n\nThe \xffdog\n",
        capture_output=True,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"error: standard input, line 3: found the byte 0xff; allowed: text in UTF-8\n"
