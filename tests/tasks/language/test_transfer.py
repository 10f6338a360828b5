"""Starting with another experiment's model: fine-tuned, untouched, or refused."""

import json
import math
import shutil
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
import pytest
import torch
from listener import Recorder, interrupt
from pydantic import TypeAdapter, ValidationError

from anamnesis.data.stores import store
from anamnesis.data.tokenizers import tokenizer
from anamnesis.data.tokenizers.settings import Tokens
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language import saved
from anamnesis.tasks.language.derived import problem
from anamnesis.tasks.language.evaluation import evaluate
from anamnesis.tasks.language.network import RecurrentPredictor
from anamnesis.tasks.language.reencoded import read_split
from anamnesis.tasks.language.settings import Experiment
from anamnesis.tasks.language.states import states
from anamnesis.tasks.language.train import train
from anamnesis.tasks.passages.settings import Experiment as PassageExperiment

LSTM = {"architecture": "lstm", "layers": 2, "hidden": 12}


def settings(**changes: Any) -> Experiment:
    content = {
        "task": "language",
        "tokens": "small",
        "model": LSTM,
        "batches": {"kind": "streams", "batch": 8, "steps": 20},
        "training": {"epochs": 2, "learning_rate": 0.003, "checkpoint_steps": 5},
        "sampling": {"length": 20},
    }
    return Experiment.model_validate({**content, **changes})


@pytest.fixture(scope="module")
def pretrained(stores: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the model `start`, of the store `characters`, and a store `small` with other characters."""
    root = tmp_path_factory.mktemp("transfer")
    shutil.copytree(stores / "data" / "tokens" / "characters", root / "data" / "tokens" / "characters")
    text = "".join(topics[name] for name in sorted(topics, reverse=True)).replace("the ", "þe ").replace("Ω", "")
    sources = {}
    for split, share in (("train", text[:9000]), ("valid", text[9000:11000]), ("test", text[11000:13000] + "Ω")):
        sources[split] = root / f"{split}.txt"
        sources[split].write_text(share, encoding="utf-8")
    entry = TypeAdapter(Tokens).validate_python({"corpus": "small", "kind": "characters"})
    store.write(root / "data" / "tokens" / "small", entry, sources)
    train("start", settings(tokens="characters"), root, Recorder())
    return root


@pytest.fixture
def project(pretrained: Path, tmp_path: Path) -> Path:
    """A copy of its own of that project."""
    return shutil.copytree(pretrained, tmp_path / "project")


def network(folder: Path) -> RecurrentPredictor:
    model = saved.load(folder)
    assert isinstance(model, RecurrentPredictor)
    return model


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_another_tokenizers_ids_say_the_same_text_and_count_what_it_does_not_know(project: Path) -> None:
    small = project / "data" / "tokens" / "small"
    learned = tokenizer.load(project / "models" / "start" / "tokenizer.json")
    text = (project / "valid.txt").read_text(encoding="utf-8")
    ids, counts = read_split(small, "valid", learned)
    # What the store did not know, it cannot spell any more.
    unknown = set(text) - (set(learned.tokens) & set(tokenizer.load(small / "tokenizer.json").tokens))
    assert "þ" in unknown
    assert learned.decode(ids.tolist()) == "".join("\ufffd" if each in unknown else each for each in text)
    assert counts["unknown_characters"] == counts["unknown_tokens"] == sum(map(text.count, unknown))
    assert counts["characters"] == counts["tokens"] == len(text)
    assert counts["targets"] == len(text) - 1


def test_what_the_store_did_not_know_either_is_unknown_once(project: Path) -> None:
    small = project / "data" / "tokens" / "small"
    learned = tokenizer.load(project / "models" / "start" / "tokenizer.json")
    text = (project / "test.txt").read_text(encoding="utf-8")
    _, counts = read_split(small, "test", learned)
    unknown = set(text) - set(learned.tokens)
    assert {"þ", "Ω"} <= unknown
    assert counts["unknown_characters"] == sum(text.count(character) for character in unknown)


def test_the_stores_own_tokenizer_gets_the_stores_own_arrays(project: Path) -> None:
    small = project / "data" / "tokens" / "small"
    ids, counts = read_split(small, "valid", tokenizer.load(small / "tokenizer.json"))
    np.testing.assert_array_equal(ids, store.open_split(small, "valid"))
    assert counts == store.read_stats(small)["splits"]["valid"]


def test_untouched_has_the_weights_of_its_start_and_its_scores_on_that_text(project: Path) -> None:
    experiment = settings(start="start", training=None)
    train("untouched", experiment, project, Recorder())
    evaluate("untouched", experiment, project)
    start, model = network(project / "models" / "start"), network(project / "models" / "untouched")
    for name, value in start.network.named_parameters():
        assert torch.equal(model.network.get_parameter(name), value)
    assert model.tokenizer.tokens == start.tokenizer.tokens

    # By hand: the start reads the text in its own tokens; each unknown character is spelled out beside.
    text = (project / "test.txt").read_text(encoding="utf-8")
    ids = start.tokenizer.encode(text)
    distributions, _ = start.predict(ids[None, :-1], start.initial_state())
    nats = -np.take_along_axis(distributions[0].astype(float), ids[1:, None], axis=1).sum()
    unknown = np.count_nonzero(ids == start.tokenizer.unknown_id)
    alphabet = set((project / "train.txt").read_text(encoding="utf-8"))
    unseen = sum(character not in alphabet for character in text)
    price = unknown * math.log(len(alphabet) + 2) + unseen * math.log(0x110000)
    bits = (nats + price) / len(text) / math.log(2)
    metrics = json.loads((project / "metrics" / "untouched.json").read_text())
    assert metrics["test"]["bits_per_character"] == pytest.approx(bits, rel=1e-5)
    assert metrics["test"]["perplexity"] == pytest.approx(math.exp(nats / (len(ids) - 1)), rel=1e-5)
    assert (metrics["corpus"], metrics["board"]) == ("small", "language")


def test_fine_tuning_starts_at_the_untouched_models_loss_and_moves_all_weights(project: Path) -> None:
    train("untouched", settings(start="start", training=None), project, Recorder())
    still, moved, random = Recorder(), Recorder(), Recorder()
    train("still", settings(start="start", training={"epochs": 1, "learning_rate": 1e-12}), project, still)
    train("moved", settings(start="start"), project, moved)
    train("random", settings(), project, random)
    history = (project / "models" / "untouched" / "history.csv").read_text().splitlines()[1].split(",")
    # The validation of a training reads in several streams, after a warm-up each; a step of 1e-12 moves nothing.
    bits = still.rows[1]["valid_bits_per_character"]
    assert bits == pytest.approx(float(history[4]), rel=0.005)
    assert moved.rows[1]["valid_bits_per_character"] < bits
    assert moved.rows[1]["train_perplexity"] < random.rows[1]["train_perplexity"]
    start, model = network(project / "models" / "start"), network(project / "models" / "moved")
    for name, value in start.network.named_parameters():
        assert not torch.equal(model.network.get_parameter(name), value), name


def test_the_first_loss_is_that_of_the_start_to_the_last_bit(project: Path) -> None:
    recorder = Recorder()
    train("still", settings(start="start", training={"epochs": 1, "learning_rate": 1e-30}), project, recorder)
    start = network(project / "models" / "start")
    for name, value in network(project / "models" / "still").network.named_parameters():
        assert torch.equal(start.network.get_parameter(name), value)


def test_an_interrupted_fine_tuning_ends_with_the_bytes_of_one_that_was_not(project: Path) -> None:
    experiment = settings(
        start="start", model=LSTM, training={"epochs": 3, "learning_rate": 0.003, "checkpoint_steps": 5}
    )
    train("tuned", experiment, project, Recorder())
    whole = files_of(project / "models" / "tuned")
    shutil.rmtree(project / "models" / "tuned")
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train("tuned", experiment, project, Recorder(interrupt(2)))
    assert not (project / "models" / "tuned").exists()
    assert list((project / ".anamnesis" / "checkpoints" / "tuned").iterdir())
    train("tuned", experiment, project, Recorder())
    assert files_of(project / "models" / "tuned") == whole


def test_evaluation_refuses_a_model_of_another_text(project: Path) -> None:
    experiment = settings(start="start", training=None)
    train("untouched", experiment, project, Recorder())
    path = project / "data" / "tokens" / "small" / "stats.json"
    stats = json.loads(path.read_text())
    stats["splits"]["train"]["text_sha256"] = "0" * 64
    path.write_text(json.dumps(stats))
    with pytest.raises(AnamnesisError, match="trained on other tokens"):
        evaluate("untouched", experiment, project)


def test_the_start_must_be_there(project: Path) -> None:
    with pytest.raises(AnamnesisError, match="models/nowhere: there is no such model"):
        train("tuned", settings(start="nowhere"), project, Recorder())


def entry(kind: str) -> Any:
    return TypeAdapter(Tokens).validate_python({"corpus": "c", "kind": kind})


TOKENS = {"a": entry("characters"), "b": entry("characters"), "w": entry("words"), "v": entry("words")}
EXPERIMENTS = {
    "lstm": settings(tokens="a"),
    "words": settings(tokens="w"),
    "ngram": settings(tokens="a", model={"architecture": "ngram", "order": 3}, training=None),
    "histogram": PassageExperiment.model_validate(
        {
            "task": "language",
            "objective": "passage",
            "tokens": "a",
            "model": {"architecture": "histogram"},
            "training": {"epochs": 1, "learning_rate": 0.1},
        }
    ),
}
DERIVED = {"other": settings(tokens="b", start="lstm")}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"start": "lstm"}, None),
        ({"start": "lstm", "training": None}, None),
        ({"tokens": "w", "start": "words"}, None),
        ({}, "start: missing"),
        ({"start": "mine"}, "start: found 'mine', the experiment itself"),
        ({"start": "other"}, "start: found 'other', which starts from another .* chains are not supported"),
        ({"start": "nothing"}, "start: found 'nothing', which no entry"),
        ({"start": "ngram"}, "start: found 'ngram'; allowed: a recurrent next-token model"),
        ({"start": "histogram"}, "start: found 'histogram'; allowed: a recurrent next-token model"),
        (
            {"tokens": "w", "start": "lstm"},
            "tokens: found 'w', a fine-tune from an experiment with another tokenizer: "
            "lstm reads characters, this store holds words",
        ),
        (
            {"tokens": "v", "start": "words"},
            "tokens: found 'v', a fine-tune .* another tokenizer: words reads the words",
        ),
        ({"start": "lstm", "model": {**LSTM, "hidden": 13}}, "model: found another model than that of lstm"),
    ],
)
def test_what_may_be_started_from(changes: dict[str, Any], expected: str | None) -> None:
    found = problem("mine", settings(**{"tokens": "b", **changes}), EXPERIMENTS, DERIVED, TOKENS)
    if expected is None:
        assert found is None
    else:
        import re

        assert found is not None
        assert re.match(expected, ": ".join(found))


def test_what_is_not_trained_starts_somewhere() -> None:
    with pytest.raises(ValidationError, match="needs a `training` block"):
        settings(training=None)


def test_states_are_mean_and_last_of_the_networks_outputs(project: Path) -> None:
    model = network(project / "models" / "start")
    texts = ["a", "the import statement", "x" * 700, "The unknown þ is read, too."]
    found = states(model, texts)
    assert found.shape == (4, 24)
    assert found.dtype == np.float32
    for text, row in zip(texts, found, strict=True):
        ids = torch.from_numpy(model.tokenizer.encode(text))[:, None]
        with torch.inference_mode():
            outputs = model.network(ids, model.network.stack.initial_state(1))[0][:, 0]
        np.testing.assert_allclose(row[:12], outputs.mean(0), atol=1e-6)
        np.testing.assert_allclose(row[12:], outputs[-1], atol=1e-6)


def test_neither_batch_nor_company_changes_states(project: Path) -> None:
    model = network(project / "models" / "start")
    texts = [topics[name][: 5 + 37 * index] for index, name in enumerate(sorted(topics)[:12])]
    alone = np.concatenate([states(model, [text]) for text in texts])
    for batch in (1, 5, 64):
        np.testing.assert_allclose(states(model, texts, batch), alone, atol=1e-6)


def test_states_need_tokens_and_a_recurrent_model(project: Path, trained: Any) -> None:
    with pytest.raises(AnamnesisError, match="text 2 of 2 has nothing in it"):
        states(network(project / "models" / "start"), ["a", ""])
    with pytest.raises(AnamnesisError, match="found architecture ngram, which has no hidden states"):
        states(saved.load(trained("words")), ["a"])
