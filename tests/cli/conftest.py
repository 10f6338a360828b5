"""A small project about one word, and commands in the project of the toys."""

import pytest
import toys as toy
import yaml
from settings_files import write_settings
from typer.testing import CliRunner

from anamnesis import cli, numerics, params
from anamnesis.data.stores import store

HELLO = yaml.safe_load("""
profile: laptop
corpora:
  hello: {reader: text, source: {kind: literal, text: hello, same: true}, minimum: 2}
tokens:
  hello-characters: {corpus: hello, kind: characters}
experiments:
  hello-uniform:
    task: language
    tokens: hello-characters
    model: {architecture: uniform}
    sampling: {prompt: he, length: 5, temperature: 0.7}
  hello-ngram3:
    task: language
    tokens: hello-characters
    model: {architecture: ngram, order: 3}
    sampling: {prompt: he, length: 5, temperature: 0.7}
""")
TEXT = "hello hello jello\n" * 30


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A project with one experiment that is trained and evaluated, and one that is not."""
    root = tmp_path_factory.mktemp("project") / "hello"
    (root / "data" / "raw").mkdir(parents=True)
    write_settings(root, HELLO)
    (root / "dvc.yaml").write_text("stages: {}\n")
    settings = params.load(root / "params.yaml")
    sources = {split: root / "data" / "raw" / f"{split}.txt" for split in store.SPLITS}
    for path in sources.values():
        path.write_text(TEXT)
    store.write(root / "data" / "tokens" / "hello-characters", settings.tokens["hello-characters"], sources)
    toy.train("hello-uniform", root, experiment=settings.experiments["hello-uniform"])
    toy.evaluate("hello-uniform", root)
    return root


@pytest.fixture
def run(toys, monkeypatch):
    """run(command, argument, ..., model=NAME, stdin=b"", folder=PROJECT): the result in the project of the toys."""
    monkeypatch.setattr(numerics, "pin", lambda: None)

    def invoke(*arguments, model=None, stdin=None, folder=toys.root):
        command, *others = arguments
        if model is not None:
            toys.model(model)
            command, others = command, ["--model", model, *others]
        monkeypatch.chdir(folder)
        return CliRunner().invoke(cli.app, [command, *others], input=stdin)

    return invoke
