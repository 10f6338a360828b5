"""Telling labels of passages: features, scores, the language model frozen and fine-tuned, saved and loaded."""

import csv
import json
import shutil
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
import pytest
import torch
from listener import Recorder, interrupt
from pydantic import TypeAdapter, ValidationError
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

from anamnesis import models as folders
from anamnesis.data.stores import store
from anamnesis.data.tokenizers import tokenizer
from anamnesis.data.tokenizers.settings import Tokens
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language import saved as language_saved
from anamnesis.tasks.language.network import RecurrentPredictor
from anamnesis.tasks.language.settings import Experiment as LanguageExperiment
from anamnesis.tasks.language.states import states
from anamnesis.tasks.language.train import train as train_language
from anamnesis.tasks.passages import saved, scores
from anamnesis.tasks.passages.evaluation import evaluate
from anamnesis.tasks.passages.features import frequencies, normalised, passages, standard
from anamnesis.tasks.passages.finetuning import FineTuned, padded
from anamnesis.tasks.passages.module import PassageModule
from anamnesis.tasks.passages.settings import Experiment, States
from anamnesis.tasks.passages.train import reader_of, train


def settings(architecture: str = "states", **changes: Any) -> Experiment:
    content: dict[str, Any] = {
        "task": "language",
        "objective": "passage",
        "tokens": "labelled",
        "model": {"architecture": architecture},
        "batch": 16,
        "training": {"epochs": 4, "learning_rate": 0.01, "checkpoint_steps": 3},
    }
    if architecture == "states":
        content |= {"start": "start", "model": {"architecture": "states", "hidden": 8, "dropout": 0.2}}
    for key, value in changes.items():
        content[key] = {**content[key], **value} if isinstance(value, dict) else value
    return Experiment.model_validate(content)


def write_table(path: Path, rows: list[tuple[str, str]]) -> Path:
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("label", "text"), *rows])
    return path


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a small language model `start` and a store of passages: plain, and all in capitals."""
    root = tmp_path_factory.mktemp("passages")
    text = "".join(topics[name] for name in sorted(topics))
    sources = {}
    for split, share in (("train", text[:8000]), ("valid", text[8000:9000]), ("test", text[9000:10000])):
        sources[split] = root / f"{split}.txt"
        sources[split].write_text(share, encoding="utf-8")
    characters = TypeAdapter(Tokens).validate_python({"corpus": "c", "kind": "characters"})
    store.write(root / "data" / "tokens" / "text", characters, sources)
    pieces = [text[first : first + 60 + first % 50] for first in range(10_000, 40_000, 110)]
    rows = [("loud", piece.upper()) if index % 3 == 0 else ("plain", piece) for index, piece in enumerate(pieces)]
    tables = {
        "train": write_table(root / "train.csv", rows[:200]),
        "valid": write_table(root / "valid.csv", [*rows[200:230], ("plain", "an unknown Ω here")]),
        "test": write_table(root / "test.csv", rows[230:260]),
    }
    store.write(root / "data" / "tokens" / "labelled", characters, tables)
    experiment = LanguageExperiment.model_validate(
        {
            "task": "language",
            "tokens": "text",
            "model": {"architecture": "gru", "hidden": 16},
            "batches": {"kind": "streams", "batch": 8, "steps": 20},
            "training": {"epochs": 1, "learning_rate": 0.01},
            "sampling": {"length": 5},
        }
    )
    train_language("start", experiment, root, Recorder())
    return root


@pytest.fixture
def project(pretrained: Path, tmp_path: Path) -> Path:
    """A copy of its own of that project."""
    return shutil.copytree(pretrained, tmp_path / "project")


@pytest.fixture(scope="module")
def finetuned(pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fine-tuned model."""
    project = shutil.copytree(pretrained, tmp_path_factory.mktemp("finetuned") / "project")
    train("ours", settings(model={"finetune": True, "longest": 20}, training={"epochs": 1}), project, Recorder())
    return project / "models" / "ours"


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def start_of(project: Path) -> RecurrentPredictor:
    model = language_saved.load(project / "models" / "start")
    assert isinstance(model, RecurrentPredictor)
    return model


def test_scores_are_torchmetrics() -> None:
    random = np.random.default_rng(0)
    actual, predicted = random.integers(0, 4, 200), random.integers(0, 3, 200)
    counts = scores.confusion(actual, predicted, 5)
    assert counts[2, 1] == np.count_nonzero((actual == 2) & (predicted == 1))
    pair = (torch.from_numpy(predicted), torch.from_numpy(actual))
    assert scores.macro_f1(counts) == pytest.approx(float(multiclass_f1_score(*pair, 5, average="macro")))
    assert scores.accuracy(counts) == pytest.approx(float(multiclass_accuracy(*pair, 5, average="micro")))


def test_layout_gives_nothing_away(project: Path) -> None:
    assert normalised("  It is\r\n\ta\u00a0truth\n\n universally ") == "It is a truth universally"
    texts, labels = passages(project / "data" / "tokens" / "labelled", "valid")
    assert not any("\n" in text or "  " in text for text in texts)
    assert texts[-1] == "an unknown \ufffd here"
    assert labels.tolist() == [int((index + 200) % 3 != 0) for index in range(30)] + [1]


def test_frequencies_and_their_scale(project: Path) -> None:
    learned = tokenizer.load(project / "data" / "tokens" / "labelled" / "tokenizer.json")
    found = frequencies(learned, ["abca", "Ω", ""])
    shares = {learned.tokens[index]: float(found[0, index]) for index in np.flatnonzero(found[0])}
    assert shares == {"a": 0.5, "b": 0.25, "c": 0.25}
    assert found[1, learned.unknown_id] == 1
    assert not found[2].any()
    mean, scale = standard(np.array([[1, 5], [3, 5]], np.float32))
    np.testing.assert_array_equal(mean, [2, 5])
    np.testing.assert_array_equal(scale, [1, 1])


@pytest.mark.parametrize(
    "experiment",
    [
        settings("histogram"),
        settings(),
        settings(model={"summary": "both", "untrained": True}),
        settings(model={"finetune": True, "longest": 40}),
        settings(model={"finetune": True, "untrained": True, "summary": "both"}),
    ],
    ids=["histogram", "frozen", "random", "finetuned", "scratch"],
)
def test_trains_resumes_loads_and_classifies(project: Path, experiment: Experiment) -> None:
    before = files_of(project / "models" / "start")
    train("ours", experiment, project, Recorder())
    whole = files_of(project / "models" / "ours")
    shutil.rmtree(project / "models" / "ours")
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train("ours", experiment, project, Recorder(interrupt(3)))
    assert not (project / "models" / "ours").exists()
    assert list((project / ".anamnesis" / "checkpoints" / "ours").iterdir())
    train("ours", experiment, project, Recorder())
    assert files_of(project / "models" / "ours") == whole
    assert files_of(project / "models" / "start") == before

    evaluate("ours", experiment, project)
    metrics = json.loads((project / "metrics" / "ours.json").read_text())
    assert metrics["board"] == "classification"
    assert metrics["test"]["documents"] == 30
    rows = list(csv.DictReader((project / "predictions" / "ours" / "confusion.csv").open()))
    assert sum(int(row["count"]) for row in rows) == 30
    right = sum(int(row["count"]) for row in rows if row["actual"] == row["predicted"])
    assert right / 30 == pytest.approx(metrics["test"]["accuracy"], rel=1e-5)
    # Capitals are seen by anything that looks; always saying 'plain' gets 2 / 3.
    assert metrics["test"]["accuracy"] > 0.9

    shutil.rmtree(project / "models" / "start")
    model = saved.load(project / "models" / "ours")
    shouted, spoken = model.classify(["THE IMPORT STATEMENT IS\nEXECUTED IN TWO STEPS", "it is executed in two steps"])
    assert (shouted[0][0], spoken[0][0]) == ("loud", "plain")
    assert sum(probability for _, probability in shouted) == pytest.approx(1)
    assert model.classify(["it  is\nexecuted"]) == model.classify(["it is executed"])


def test_frozen_weights_are_the_starts_and_random_ones_are_not(project: Path) -> None:
    train("frozen", settings(), project, Recorder())
    train("random", settings(model={"untrained": True}), project, Recorder())
    start = start_of(project)
    frozen, random = (saved.load(project / "models" / name).reader for name in ("frozen", "random"))
    assert frozen is not None
    assert random is not None
    for name, value in start.network.named_parameters():
        assert torch.equal(frozen.network.get_parameter(name), value)
        if "bias" not in name:
            assert not torch.equal(random.network.get_parameter(name), value)


def test_the_head_reads_standardised_mean_states(project: Path) -> None:
    train("frozen", settings(), project, Recorder())
    model, text = saved.load(project / "models" / "frozen"), "it is executed in two steps"
    mean = states(start_of(project), [text])[:, :16]
    weights = {name: value.detach().numpy() for name, value in model.head.named_parameters()}
    hidden = np.maximum((mean - model.mean) / model.scale @ weights["1.weight"].T + weights["1.bias"], 0)
    logits = hidden @ weights["4.weight"].T + weights["4.bias"]
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(model.probabilities([text]), expected, rtol=1e-4)


@pytest.mark.parametrize("untrained", [False, True])
def test_fine_tuning_trains_all_but_the_softmax(project: Path, untrained: bool) -> None:
    experiment = settings(model={"finetune": True, "untrained": untrained}, training={"epochs": 1})
    train("ours", experiment, project, Recorder())
    model = saved.load(project / "models" / "ours")
    begun = reader_of(experiment, project)
    assert begun is not None
    assert model.reader is not None
    for name, value in begun.network.named_parameters():
        assert torch.equal(model.reader.network.get_parameter(name), value) == name.startswith("softmax.")
    learned = {name: value for name, value in model.reader.network.named_parameters() if "softmax" not in name}
    trained = [*learned.values(), *model.head.parameters()]
    assert model.card["parameters"] == sum(value.numel() for value in trained)


@pytest.mark.parametrize("summary", ["mean", "last", "both"])
def test_the_network_that_is_fine_tuned_is_the_one_that_is_used(project: Path, summary: str) -> None:
    experiment = settings(model={"finetune": True, "longest": 70, "summary": summary}, training={"epochs": 2})
    watch = Recorder()
    train("ours", experiment, project, watch)
    model = saved.load(project / "models" / "ours")
    texts, labels = passages(project / "data" / "tokens" / "labelled", "valid")
    # What the validation made of the weights, as they were trained, against the folder as it is used.
    row = watch.rows[model.card["best_epoch"]]
    found = model.probabilities(texts)
    assert -np.log(found[np.arange(len(labels)), labels]).mean() == pytest.approx(row["valid_loss"], rel=1e-5)
    assert (found.argmax(1) == labels).mean() == pytest.approx(row["valid_accuracy"])

    assert isinstance(model.settings, States)
    assert model.reader is not None
    assert isinstance(model.head, torch.nn.Sequential)
    whole = FineTuned(model.settings, model.reader.network, model.head, model.mean, model.scale).eval()
    assert len({len(text) for text in texts}) > 1
    logits = whole(*padded([model.tokenizer.encode(text[:70]) for text in texts]))
    np.testing.assert_allclose(logits.softmax(-1).detach(), found, rtol=1e-4, atol=1e-6)
    whole.train()
    logits.sum().backward()
    silent = [name for name, value in whole.named_parameters() if value.grad is None]
    assert silent == []


def test_fine_tuning_that_is_killed_within_an_epoch_goes_on_to_the_same_bytes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = settings(model={"finetune": True, "longest": 30, "summary": "both"}, training={"epochs": 2})
    train("ours", experiment, project, Recorder())
    whole = files_of(project / "models" / "ours")
    shutil.rmtree(project / "models" / "ours")
    step, taken = PassageModule.training_step, list[int]()

    def until(last: int) -> Any:
        def steps(self: PassageModule, batch: Any, batch_idx: int) -> Any:
            if len(taken) == last:
                raise KeyboardInterrupt
            taken.append(batch_idx)
            # In evaluation mode the language model's dropout would be off, and cuDNN would refuse the gradient.
            assert all(part.training for part in self.network.modules())
            return step(self, batch, batch_idx)

        return steps

    monkeypatch.setattr(PassageModule, "training_step", until(8))
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train("ours", experiment, project, Recorder())
    assert not (project / "models" / "ours").exists()
    taken.clear()
    monkeypatch.setattr(PassageModule, "training_step", until(-1))
    train("ours", experiment, project, Recorder())
    # A checkpoint every third batch of the 13.
    assert taken == [*range(6, 13), *range(13)]
    assert files_of(project / "models" / "ours") == whole


@pytest.mark.parametrize("finetune", [False, True])
def test_nothing_is_read_beyond_the_longest(project: Path, finetune: bool) -> None:
    experiment = settings(model={"finetune": finetune, "longest": 40}, training={"epochs": 1})
    train("ours", experiment, project, Recorder())
    model = saved.load(project / "models" / "ours")
    text = "The import statement is executed in two steps, as follows"
    assert model.classify([text]) == model.classify([text[:40] + " WHATEVER STANDS HERE"])
    assert model.classify([text]) != model.classify([text[:38] + "XY" + text[40:]])

    folder, tables = project / "data" / "tokens" / "labelled", {}
    for split in ("train", "valid", "test"):
        texts, labels = passages(folder, split)
        names = ["loud" if label == 0 else "plain" for label in labels]
        others = [text[:40] + "e" * (1 + len(text) % 7) if len(text) > 40 else text for text in texts]
        assert others != texts
        rows = list(zip(names, others, strict=True))
        tables[split] = write_table(project / f"cut-{split}.csv", rows)
    shutil.rmtree(folder)
    store.write(folder, TypeAdapter(Tokens).validate_python({"corpus": "c", "kind": "characters"}), tables)
    weights = folders.read(project / "models" / "ours")[1]
    train("ours", experiment, project, Recorder())
    again = folders.read(project / "models" / "ours")[1]
    assert again.keys() == weights.keys()
    for name, value in weights.items():
        np.testing.assert_array_equal(again[name], value, err_msg=name)


@pytest.mark.parametrize(
    ("model", "weights", "message"),
    [
        ({"summary": "both"}, {}, "the weights are not those of the network"),
        ({"hidden": 9}, {}, "the weights are not those of the network"),
        ({"architecture": "lstm"}, {}, "not a model that tells labels"),
        ({}, {"scale": np.ones(16)}, "the weights are not those of the network"),
        ({}, {"another": np.ones(16, np.float32)}, "the weights are not those of the network"),
        ({}, {"reader/embedding.weight": np.ones((2, 16), np.float32)}, "embedding.weight has shape"),
    ],
)
def test_a_folder_whose_parts_do_not_fit_is_refused(
    finetuned: Path, tmp_path: Path, model: dict[str, Any], weights: dict[str, Any], message: str
) -> None:
    card, stored = folders.read(finetuned)
    more = {saved.TOKENIZER: (finetuned / saved.TOKENIZER).read_bytes()}
    folders.save(tmp_path / "bad", stored | weights, card | {"model": card["model"] | model}, more)
    with pytest.raises(AnamnesisError, match=message) as caught:
        saved.load(tmp_path / "bad")
    assert "\n" not in str(caught.value)


def test_evaluation_refuses_a_model_of_other_passages(project: Path) -> None:
    train("ours", settings("histogram"), project, Recorder())
    path = project / "data" / "tokens" / "labelled" / "stats.json"
    stats = json.loads(path.read_text())
    stats["splits"]["train"]["text_sha256"] = "0" * 64
    path.write_text(json.dumps(stats))
    with pytest.raises(AnamnesisError, match="trained on other passages"):
        evaluate("ours", settings("histogram"), project)


def test_a_store_without_documents_is_refused(project: Path) -> None:
    with pytest.raises(AnamnesisError, match="holds a text, not documents"):
        passages(project / "data" / "tokens" / "text", "valid")


@pytest.mark.parametrize(
    ("architecture", "changes", "message"),
    [
        ("states", {"start": None}, "needs `start`"),
        ("histogram", {"start": "start"}, "remove `start`"),
        ("states", {"model": {"dropout": 1.0}}, "less than 1"),
        ("states", {"model": {"longest": 0}}, "greater than or equal to 1"),
        ("histogram", {"model": {"finetune": True}}, "finetune"),
        ("states", {"training": None}, "training"),
    ],
)
def test_settings_that_do_not_fit_are_refused(architecture: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(architecture, **changes)
