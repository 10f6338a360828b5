"""A small project about one word, for tests of the commands."""

from pathlib import Path

import yaml
from listener import Recorder
from settings_files import write_settings

SETTINGS = yaml.safe_load("""
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


def make(root: Path) -> Path:
    """A project with one experiment that is trained and evaluated, and one that is not."""
    from anamnesis import params
    from anamnesis.data.stores import store
    from anamnesis.stages.evaluate import evaluate
    from anamnesis.stages.train import train

    (root / "data" / "raw").mkdir(parents=True)
    write_settings(root, SETTINGS)
    (root / "dvc.yaml").write_text("stages: {}\n")
    settings = params.load(root / "params.yaml")
    sources = {split: root / "data" / "raw" / f"{split}.txt" for split in ("train", "valid", "test")}
    for path in sources.values():
        path.write_text(TEXT)
    store.write(root / "data" / "tokens" / "hello-characters", settings.tokens["hello-characters"], sources)
    train("hello-uniform", settings.experiments["hello-uniform"], root, Recorder())
    evaluate("hello-uniform", root)
    return root
