"""Training a translation model: the same bytes after an interruption and a second time, and a task learnt whole."""

import os
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from listener import Recorder

from anamnesis import models as folders
from anamnesis.data.stores import store
from anamnesis.data.tokenizers.settings import Characters
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation import saved
from anamnesis.tasks.translation.settings import Experiment
from anamnesis.tasks.translation.train import train
from anamnesis.tasks.translation.translator import NetworkTranslator

from .conftest import ATTENTIVE, NETWORKS, write_store

Make = Callable[..., Experiment]
ONCE = {"epochs": 1, "learning_rate": 0.01}
FILES = {
    "model.json", "weights.safetensors", "history.csv", "samples.txt", "source_tokenizer.json", "target_tokenizer.json"
}  # fmt: skip


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["lstm-2-reversed", "additive-gru-1-feeding"])
def test_interrupted_and_run_again_gives_the_same_bytes(project: Path, experiment: Make, name: str) -> None:
    settings = experiment(NETWORKS[name]["architecture"], model={**NETWORKS[name], "label_smoothing": 0.1})
    train("mine", settings, project, Recorder())
    folder = project / "models" / "mine"
    expected = content(folder)
    assert set(expected) == FILES
    train("mine", settings, project, Recorder())
    assert content(folder) == expected
    shutil.rmtree(folder)

    def kill(epoch: int) -> None:
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    stopped = Recorder(kill)
    with pytest.raises(SystemExit):
        train("mine", settings, project, stopped)
    assert stopped.ended == "failed"
    assert not folder.exists()
    assert list((project / ".anamnesis" / "checkpoints" / "mine").iterdir())
    resumed = Recorder()
    train("mine", settings, project, resumed)
    assert content(folder) == expected
    assert resumed.ended == folders.read_card(folder)["fingerprint"]
    assert not list((project / ".anamnesis" / "checkpoints").glob("*/*"))


def test_killed_between_two_checkpoints_of_an_epoch(
    project: Path, experiment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anamnesis.tasks.translation.module import TranslationModule

    settings = experiment()
    train("mine", settings, project, Recorder())
    expected = content(project / "models" / "mine")
    shutil.rmtree(project / "models")
    step, taken = TranslationModule.training_step, []

    def killed(self: TranslationModule, batch: Any, batch_idx: int) -> Any:
        taken.append(batch_idx)
        if len(taken) == 9:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    def counted(self: TranslationModule, batch: Any, batch_idx: int) -> Any:
        taken.append(batch_idx)
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(TranslationModule, "training_step", killed)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            train("mine", settings, project, Recorder())
        # In the first epoch, four batches after a checkpoint.
        assert taken == list(range(9))
        taken.clear()
        patch.setattr(TranslationModule, "training_step", counted)
        train("mine", settings, project, Recorder())
    assert taken[0] == 5
    assert content(project / "models" / "mine") == expected


def test_what_a_training_writes(project: Path, experiment: Make) -> None:
    watch, settings = Recorder(), experiment("attention", tokens="subwords", model={"tied": "all"})
    train("mine", settings, project, watch)
    folder = project / "models" / "mine"
    assert set(content(folder)) == FILES
    lines = (folder / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch,learning_rate,train_perplexity,valid_perplexity"
    for epoch, line in enumerate(lines[1:], 1):
        numbers = [float(value) for value in line.split(",")]
        assert numbers[0] == epoch
        told = [watch.rows[epoch][name] for name in lines[0].split(",")[1:]]
        assert numbers[1:] == pytest.approx(told, rel=1e-5)
    assert len(watch.samples) == 3
    card = saved.load(folder).card
    assert card["fingerprint"] == watch.ended
    assert (card["task"], card["task"], card["architecture"]) == ("translation", "translation", "attention")
    assert card["parameters"] == sum(value.size for value in folders.read(folder)[1].values())
    shown = watch.samples[-1].splitlines()
    assert [line[:2] for line in shown] == ["> ", "= ", "< "] * 5
    assert (folder / "samples.txt").read_text() == "\n".join(
        f"== after epoch {epoch} ==\n{text}\n" for epoch, text in enumerate(watch.samples, 1)
    )
    sources, references = (texts[:5] for texts in store.pair_texts(project / "data" / "tokens" / "subwords", "valid"))
    assert [line[2:] for line in shown[::3]] == sources
    assert [line[2:] for line in shown[1::3]] == references
    if card["best_epoch"] == 3:
        # The last sample is what the model kept translates.
        assert [found.text for [found] in saved.load(folder).translate(sources, 1)] == [s[2:] for s in shown[2::3]]


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("rnn-1", "words"),
        ("gru-2-reversed", "subwords"),
        ("lstm-1", "separate"),
        ("additive-lstm-2", "subwords"),
        ("additive-rnn-1-feeding", "separate"),
        ("multiplicative-gru-1", "words"),
        ("multiplicative-lstm-1-feeding", "words"),
    ],
)
def test_every_architecture_and_every_kind_of_pairs_trains(
    project: Path, experiment: Make, name: str, tokens: str
) -> None:
    settings = experiment(NETWORKS[name]["architecture"], tokens=tokens, model=NETWORKS[name], training=ONCE, batch=100)
    watch = Recorder()
    train("mine", settings, project, watch)
    model = saved.load(project / "models" / "mine")
    assert isinstance(model, NetworkTranslator)
    # Better than all tokens alike.
    assert watch.rows[1]["valid_perplexity"] < model.target.size
    assert len(model.translate(["the cat sees a dog."], 3, 2)[0]) == 2


@pytest.mark.parametrize("architecture", ["copy", "nearest"])
def test_a_floor_is_its_pairs(project: Path, experiment: Make, architecture: str) -> None:
    watch = Recorder()
    train("floor", experiment(architecture), project, watch)
    model = saved.load(project / "models" / "floor")
    assert (model.card["fingerprint"], model.card["parameters"]) == (watch.ended, 0)
    first = content(project / "models" / "floor")
    train("floor", experiment(architecture), project, Recorder())
    assert content(project / "models" / "floor") == first


@pytest.mark.parametrize("architecture", ["copy", "nearest", "seq2seq", "attention"])
def test_a_store_without_pairs_is_refused_in_one_line(tmp_path: Path, experiment: Make, architecture: str) -> None:
    (tmp_path / "text.txt").write_text("some text\n" * 9)
    sources = dict.fromkeys(store.SPLITS, tmp_path / "text.txt")
    store.write(tmp_path / "data" / "tokens" / "words", Characters(corpus="x", kind="characters"), sources)
    watch = Recorder()
    with pytest.raises(AnamnesisError) as caught:
        train("mine", experiment(architecture), tmp_path, watch)
    assert "data/tokens/words" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert watch.ended == "failed"
    assert not (tmp_path / "models" / "mine").exists()


DIGITS = {"one": "een", "two": "twee", "three": "drie", "four": "vier", "five": "vijf", "six": "zes", "seven": "zeven"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lstm-1-reversed", "word-pairs"),
        ("additive-gru-1", "subword-pairs"),
        ("additive-gru-1", "word-pairs"),
        ("multiplicative-lstm-1-feeding", "word-pairs"),
    ],
)
def test_sentences_turned_round_are_learnt_whole(tmp_path: Path, experiment: Make, name: str, kind: str) -> None:
    chance = random.Random(4)
    rows = []
    for _ in range(20):
        words = chance.choices(list(DIGITS), k=chance.randint(1, 4))
        rows.append((" ".join(words), " ".join(DIGITS[word] for word in reversed(words))))
    entry = {"size": 300} if kind == "subword-pairs" else {}
    write_store(tmp_path, "words", {"train": rows, "valid": rows, "test": rows}, kind=kind, **entry)
    settings = experiment(
        NETWORKS[name]["architecture"],
        model={**NETWORKS[name], "hidden": 48, "dropout": 0.0},
        training={"epochs": 50, "learning_rate": 0.01, "checkpoint_steps": 1000},
        batch=40,
    )
    train("mine", settings, tmp_path, Recorder())
    model = saved.load(tmp_path / "models" / "mine")
    assert isinstance(model, NetworkTranslator)
    sources, targets = (list(texts) for texts in zip(*rows, strict=True))
    for beam in (1, 4):
        found = [best[0].text for best in model.translate(sources, beam)]
        right = sum(one == target for one, target in zip(found, targets, strict=True))
        assert right >= 19
    if kind == "word-pairs" and name in ATTENTIVE:
        # Mostly, what weighs most is the word that is translated.
        hits = []
        for [each], source in zip(model.translate(sources, 4), sources, strict=True):
            spelled, shown = model.attended(source, each)
            assert shown.attention is not None
            for token, row in zip(each.tokens[:-1], shown.attention, strict=False):
                hits.append(DIGITS.get(spelled[int(row.argmax())]) == token)
        assert sum(hits) / len(hits) > 0.6
