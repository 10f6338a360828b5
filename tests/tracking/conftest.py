"""A project folder with results from the fixture `finish`, and a copy of an empty MLflow database."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from settings_files import write_settings

from anamnesis import files, params, profiles
from anamnesis import models as folders
from anamnesis.data.tokenizers import characters, tokenizer
from anamnesis.tracking import store

TEXT = "it was the best of times, it was the worst of times\n"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    root = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store.connect(root)
    return root / "mlflow.db"


@pytest.fixture
def root(tmp_path, monkeypatch, empty_database):
    """A project with three experiments on one corpus and one on another, none of them trained."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", store.PARENT, "ANAMNESIS_TRACKING"):
        monkeypatch.delenv(name, raising=False)
    experiment = {"task": "language", "tokens": "toy-characters", "model": {"architecture": "uniform"}}
    content: dict[str, Any] = {
        "profile": "laptop",
        "corpora": {name: {"reader": "text", "source": {"kind": "literal", "text": TEXT}} for name in ("toy", "other")},
        "tokens": {f"{name}-characters": {"corpus": name, "kind": "characters"} for name in ("toy", "other")},
        "experiments": {
            **{f"toy-{name}": experiment for name in ("a", "b", "c")},
            "other-a": {**experiment, "tokens": "other-characters"},
        },
    }
    write_settings(tmp_path, content)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    vocabulary = characters.learn([TEXT])
    for name in ("toy", "other"):
        folder = tmp_path / "data" / "tokens" / f"{name}-characters"
        folder.mkdir(parents=True)
        tokenizer.save(vocabulary, folder / "tokenizer.json")
        splits = {
            split: {"tokens": 52, "targets": 51, "characters": 52, "text_sha256": files.digest(name, split)}
            for split in ("train", "valid", "test")
        }
        files.write_json(
            folder / "stats.json", {"corpus": name, "kind": "characters", "vocabulary_size": 16, "splits": splits}
        )
    shutil.copyfile(empty_database, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def seed(root):
    """The folder of the project's profile `seed`, with the same settings as the project."""
    folder = root / "profiles" / "seed"
    files.write_text(folder / "profile.yaml", "{}\n")
    profiles.write(root, "seed")
    shutil.copytree(root / "data", folder / "data", dirs_exist_ok=True)
    return folder


Finish = Callable[..., dict[str, Any]]


@pytest.fixture
def finish(root):
    """A function that writes the result files of an experiment and returns the model's card.

    `valid` and `test` are bits per character. A model with another `seed` has another fingerprint. `texts` are digests
    of splits, `asked` is the question, and `folder` is the folder of a profile.
    """
    project = root

    def make(
        name: str,
        valid: float | None = 4.0,
        test: float | None = 4.1,
        epochs: int = 2,
        seed: int = 1,
        texts: Any = None,
        asked: str = "the whole text",
        folder: Path | None = None,
    ) -> dict[str, Any]:
        root = folder or project
        settings = params.load(root / "params.yaml")
        experiment = settings.experiments[name].model_copy(update={"seed": seed})
        tokens = root / "data" / "tokens" / experiment.tokens
        inputs = folders.inputs_digest(experiment, root)
        stats = {"corpus": settings.tokens[experiment.tokens].corpus}
        model = root / "models" / name
        shutil.rmtree(model, ignore_errors=True)
        new_card = folders.new_card(name, experiment, stats, 7, epochs, inputs)
        card = folders.save(
            model, {}, {**new_card, "alphabet": 15}, {"tokenizer.json": (tokens / "tokenizer.json").read_bytes()}
        )
        rows = [f"{epoch},0.01,{20 / epoch:g},{21 / epoch:g},{5 / epoch:g}" for epoch in range(1, epochs + 1)]
        files.write_text(
            model / "history.csv",
            "epoch,learning_rate,train_perplexity,valid_perplexity,valid_bits_per_character\n" + "\n".join(rows) + "\n",
        )
        files.write_text(model / "samples.txt", "== after epoch 1 ==\nit was\n")
        scores = {
            split: None if bits is None else {"bits_per_character": bits, "perplexity": 2**bits, "targets": 51}
            for split, bits in (("valid", valid), ("test", test))
        }
        data = {split: files.digest(stats["corpus"], split) for split in ("valid", "test")} | (texts or {})
        question = {"asked": asked, **{split: files.digest(asked, text) for split, text in data.items()}}
        card_keys = ("experiment", "task", "corpus", "tokens", "architecture", "parameters", "fingerprint")
        files.write_json(
            root / "metrics" / f"{name}.json",
            {key: card[key] for key in card_keys} | {"data": data, "question": question} | scores,
        )
        return card

    return make


@pytest.fixture
def client(root):
    return store.connect(root).client
