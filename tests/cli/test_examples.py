"""The commands that the README and the help texts show run as they are pasted, once the models are trained."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from anamnesis import cli, params

ROOT = Path(__file__).parents[2]
COMMANDS: Any = typer.main.get_command(cli.app)
OUTPUTS = ("models/", "metrics/", "predictions/", "reports/")


def shown() -> Iterator[str]:
    """Every `anamnesis` command line of the README's blocks and of the help's examples."""
    for block in re.findall(r"^```\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S | re.M):
        yield from (line.partition("  #")[0].strip() for line in block.splitlines() if line.startswith("anamnesis "))
    for command in COMMANDS.commands.values():
        for paragraph in (command.epilog or "").split("\n\n"):
            line = re.sub(r"^Examples?: ", "", paragraph)
            assert line.startswith(("anamnesis ", "echo ", "dvc ", "")), line
            if "anamnesis " in line:
                yield line


LINES = sorted(set(shown()))


@pytest.mark.parametrize("line", LINES)
def test_an_example_has_valid_options_and_names_existing_files(line, monkeypatch):
    monkeypatch.chdir(ROOT)
    experiments = params.load(ROOT / "params.yaml").experiments
    words = shlex.split(line.rpartition("| ")[2])
    assert words[0] == "anamnesis"
    plain, redirected = [], False
    for word in words[1:]:
        if word in ("<", ">"):
            redirected = word == "<"
        elif redirected:
            assert (ROOT / word).is_file(), f"{word}: the example reads a file that a clone does not have"
            redirected = False
        else:
            plain.append(word)
    # Parses and checks the options of the whole line without running it.
    context = COMMANDS.make_context("anamnesis", plain, resilient_parsing=False)
    name, command, rest = COMMANDS.resolve_command(context, [*context._protected_args, *context.args])
    assert command is not None
    given = command.make_context(name, rest, parent=context).params
    for value in [value for each in given.values() for value in (each if isinstance(each, list | tuple) else [each])]:
        text = str(value)
        if value is not None and re.fullmatch(r"[\w./*-]+\.(csv|txt|png|gif|jpg)", text):
            asked = {key for key, each in given.items() if each is value} & {"output", "plot", "attention_file"}
            assert asked or text.startswith(OUTPUTS) or (ROOT / text).is_file(), f"{text}: a clone does not have it"
    model = given.get("model") or given.get("experiment")
    if isinstance(model, str) and "@" not in model and name != "promote":
        assert model in experiments


def test_there_are_examples_of_every_command():
    used = {word for line in LINES for word in line.split()}
    assert set(COMMANDS.commands) <= used
