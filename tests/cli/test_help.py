"""All commands: help, and errors outside of a project."""

import subprocess
import sys

import pytest
from shell import anamnesis

HEAVY = {"torch", "pytorch_lightning", "mlflow", "dvc", "pandas", "numpy", "altair", "tokenizers", "jieba", "aiohttp"}
HEAVY |= {"matplotlib", "sklearn", "sacrebleu"}


def test_help_imports_nothing_heavy():
    code = "import sys; sys.argv = ['anamnesis', '--help']\ntry: import anamnesis.cli; anamnesis.cli.main()\n"
    code += "except SystemExit: pass\nprint(sorted(m for m in sys.modules if '.' not in m), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "generate" in done.stdout
    loaded = done.stderr.strip().splitlines()[-1]
    assert "typer" in loaded
    assert not [name for name in HEAVY if f"'{name}'" in loaded]


@pytest.mark.parametrize("command", [["list"], ["generate", "a"]])
def test_a_command_outside_of_a_project_prints_one_line(tmp_path, command):
    done = anamnesis(tmp_path, *command)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: {tmp_path} is not inside a project: no folder from there upward holds params.yaml and dvc.yaml\n"
    )


def test_input_that_is_not_utf8_prints_one_line(root):
    command = [sys.executable, "-m", "anamnesis.cli", "score", "hello-uniform"]
    done = subprocess.run(command, cwd=root, input=b"The cat\n\nThe \xffdog\n", capture_output=True)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"error: standard input, line 3: found the byte 0xff; allowed: text in UTF-8\n"
