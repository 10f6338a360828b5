"""Training: the same weights as a loop by hand, those of the best epoch, and those of a model that it needs."""

import math
import shutil
import sys
from subprocess import run

import numpy as np
import pytest
import torch
import toys as toy
from listener import Recorder
from pydantic import TypeAdapter

from anamnesis import models
from anamnesis.data.stores.store import open_split, write
from anamnesis.data.tokenizers import tokenizer
from anamnesis.data.tokenizers.settings import Tokens
from anamnesis.nn.stack import detach
from anamnesis.tasks.language.model.network import RecurrentNetwork
from anamnesis.tasks.language.model.streams import IGNORED, StreamBatches
from anamnesis.tasks.language.settings import Streams


@pytest.fixture
def project(toys, tmp_path):
    """A fresh project folder with the token stores."""
    return toys.project("language-lstm", tmp_path / "project")


def train(name, root, tokens="characters", watch=None, training=None, model=None, **changes):
    """The folder of a network after one epoch; `training=False` leaves a needed model untouched."""
    batches = {"batch": 16, "steps": 40}
    training = {"epochs": 1, "checkpoint_steps": 1000, **(training or {})} if training is not False else None
    changes = {"batches": batches, "model": {"dropout": 0.0, **(model or {})}, "training": training, **changes}
    return toy.train(name, root, watch, toy.settings("language-lstm", tokens=tokens, **changes))


def history(folder):
    return [{key: float(value) for key, value in row.items()} for row in toy.rows(folder / "history.csv")]


def weights(folder):
    return models.read(folder)[1]


def test_weights_are_those_of_truncated_bptt_by_hand(project):
    ours = train("ours", project, training={"clip_norm": 0.25})
    experiment = models.experiment_of(models.read_card(ours))
    torch.manual_seed(experiment.seed)
    store = project / "data" / "tokens" / "characters"
    network = RecurrentNetwork(experiment.model, tokenizer.load(store / "tokenizer.json").vocabulary_size)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01, fused=True)
    state = network.stack.initial_state(16)
    for inputs, targets, _ in StreamBatches(open_split(store, "train"), Streams(batch=16, steps=40), None):
        outputs, state = network(inputs, detach(state))
        loss = torch.nn.functional.cross_entropy(
            network.softmax(outputs).flatten(0, 1), targets.flatten(), ignore_index=IGNORED
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 0.25)
        optimizer.step()
    stored = weights(ours)
    for name, value in network.named_parameters():
        torch.testing.assert_close(torch.from_numpy(stored[name]), value, rtol=1e-5, atol=1e-6)


def test_the_stored_weights_are_those_of_the_best_epoch(project):
    training = {"epochs": 5, "learning_rate": 0.3, "clip_norm": None}
    rising = train("rising", project, model={"dropout": 0.2}, training=training)
    perplexities = [row["valid_perplexity"] for row in history(rising)]
    best = int(np.argmin(perplexities))
    assert best < len(perplexities) - 1, "the case needs a best epoch that is not the last"
    model = models.load(rising)
    assert model.card["best_epoch"] == best + 1
    ids = open_split(project / "data" / "tokens" / "characters", "valid").astype(np.int64)
    scores, _ = model.predict(ids[None, :-1], model.initial_state())
    nats = -np.take_along_axis(scores[0], ids[1:, None], 1).mean()
    # The validation reads the split in parallel streams, each after a warm-up.
    assert math.exp(nats) == pytest.approx(perplexities[best], rel=2e-3)


@pytest.mark.parametrize("kind", ["characters", "words"])
def test_the_validation_does_not_depend_on_the_training_batches(project, kind):
    start = train("start", project, kind)
    streams = [{"kind": "streams", "batch": batch, "steps": 40} for batch in (8, 64)]
    losses = set()
    for batches in (*streams, {"kind": "windows", "batch": 32, "length": 10, "step": 50}):
        # A learning rate of 1e-30 changes no weight.
        still = train("still", project, kind, needs="models/start", batches=batches, training={"learning_rate": 1e-30})
        losses.add(history(still)[0]["valid_perplexity"])
    for name, value in weights(start).items():
        np.testing.assert_array_equal(weights(still)[name], value)
    assert len(losses) == 1
    untouched = train("untouched", project, kind, needs="models/start", training=False)
    assert losses.pop() == pytest.approx(history(untouched)[0]["valid_perplexity"], rel=1e-2)


@pytest.fixture
def pretrained(stores, tmp_path):
    """A project with a trained model `start` and a store `small` of a text with characters unknown to it."""
    shutil.copytree(stores / "data" / "tokens" / "characters", tmp_path / "data" / "tokens" / "characters")
    text = (stores / "train.txt").read_text(encoding="utf-8")[::-1].replace("eht ", "þe ")
    sources = {split: tmp_path / f"{split}.txt" for split in ("train", "valid", "test")}
    for number, path in enumerate(sources.values()):
        path.write_text(text[5000 * number : 5000 * (number + 1)], encoding="utf-8")
    entry = TypeAdapter(Tokens).validate_python({"corpus": "small", "kind": "characters"})
    write(tmp_path / "data" / "tokens" / "small", entry, sources)
    train("start", tmp_path)
    return tmp_path


def test_an_untouched_model_has_the_scores_of_its_weights_on_the_new_text(pretrained):
    folder = train("untouched", pretrained, "small", needs="models/start", training=False)
    toy.evaluate("untouched", pretrained)
    start, untouched = weights(pretrained / "models" / "start"), weights(folder)
    assert all(np.array_equal(value, untouched[name]) for name, value in start.items())

    model = models.load(pretrained / "models" / "start")
    alphabet = set((pretrained / "train.txt").read_text(encoding="utf-8"))
    text = (pretrained / "test.txt").read_text(encoding="utf-8")
    # The store cannot restore characters that its training split does not contain.
    ids = model.tokenizer.encode("".join(each if each in alphabet else "\ufffd" for each in text))
    distributions, _ = model.predict(ids[None, :-1], model.initial_state())
    nats = -np.take_along_axis(distributions[0].astype(float), ids[1:, None], axis=1).sum()
    unknown = np.count_nonzero(ids == model.tokenizer.unknown_id)
    assert unknown > 0
    unseen = sum(character not in alphabet for character in text)
    price = unknown * math.log(len(alphabet) + 2) + unseen * math.log(0x110000)
    metrics = toy.scores(pretrained, "untouched")
    bits = (nats + price) / len(text) / math.log(2)
    assert metrics["test"]["bits_per_character"] == pytest.approx(bits, rel=1e-5)
    assert metrics["test"]["perplexity"] == pytest.approx(math.exp(nats / (len(ids) - 1)), rel=1e-5)


def test_fine_tuning_changes_all_weights_for_the_better(pretrained):
    watch = Recorder()
    tuned = train("tuned", pretrained, "small", watch, needs="models/start")
    untouched = train("untouched", pretrained, "small", needs="models/start", training=False)
    key = "valid_bits_per_character"
    assert watch.rows[1][key] < history(untouched)[0][key]
    changed = weights(tuned)
    for name, value in weights(untouched).items():
        assert not np.array_equal(value, changed[name])


def test_baselines_need_no_heavy_library():
    program = (
        "import sys\n"
        "from anamnesis.tasks.language import evaluation, loading, scoring\n"
        "from anamnesis.tasks.language.model import training\n"
        "print([name for name in ('torch', 'pytorch_lightning', 'mlflow', 'pandas') if name in sys.modules])\n"
    )
    result = run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
