"""The scores of a split: over every target, by the definitions, whatever the chunks; and the stage that writes them."""

import csv
import json
import subprocess
import sys
import tracemalloc
from fractions import Fraction
from math import exp, fsum, log
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from anamnesis import models as folders
from anamnesis.data.stores.store import open_split, read_stats, write
from anamnesis.data.tokenizers import tokenizer
from anamnesis.data.tokenizers.characters import Characters
from anamnesis.data.tokenizers.settings import Tokens
from anamnesis.data.tokenizers.words import Words
from anamnesis.errors import AnamnesisError
from anamnesis.metrics.targets import credit
from anamnesis.tasks.language import evaluation, ngram, saved
from anamnesis.tasks.language.evaluation import evaluate_split, text_question
from anamnesis.tasks.language.protocol import TargetScorer
from anamnesis.tasks.language.settings import Experiment
from anamnesis.tasks.language.train import train
from anamnesis.tasks.language.uniform import UniformModel

REPOSITORY = Path(__file__).parents[2]


class Dense:
    """Any model without its fast path, in single precision like a network's."""

    def __init__(self, model):
        self.card, self.tokenizer, self.model = model.card, model.tokenizer, model

    def initial_state(self, batch=1):
        return self.model.initial_state(batch)

    def predict(self, ids, state):
        rows, state = self.model.predict(ids, state)
        return rows.astype(np.float32), state


def by_hand(model, ids, split, alphabet):
    """The metrics of the definitions, one token at a time."""
    state = model.initial_state()
    nats, first, five = [], [], []
    for token, following in zip(ids[:-1].tolist(), ids[1:].tolist(), strict=True):
        rows, state = model.predict(np.array([[token]]), state)
        if following == model.tokenizer.start_id:
            continue
        row = rows[0, 0]
        nats.append(-row[following])
        better, ties = int((row > row[following]).sum()), int((row == row[following]).sum())
        first.append(min(max(1 - better, 0), ties) / ties)
        five.append(min(max(5 - better, 0), ties) / ties)
    # Characters and bigrams that are unknown have a known length; words have an end, and lose spaces.
    symbols = split["unknown_characters"] + (split["unknown_tokens"] if "leftover_nats" in split else 0)
    spelled = sum(nats) + symbols * log(alphabet + 2) + split.get("leftover_nats", 0)
    spelled += split["unseen_characters"] * log(0x110000)
    return {
        "perplexity": exp(np.mean(nats)),
        "bits_per_character": spelled / log(2) / split["characters"],
        "accuracy": np.mean(first),
        "top5_accuracy": np.mean(five),
        "targets": len(nats),
    }


@pytest.mark.parametrize("kind", ["characters", "bigrams", "words", "subwords"])
def test_metrics_are_those_of_the_definitions(stores, trained, kind):
    store = stores / "data" / "tokens" / kind
    model, stats, ids = saved.load(trained(kind)), read_stats(store), open_split(store, "test")
    split = stats["splits"]["test"]
    found = evaluate_split(model, ids, split, stats["alphabet"]).metrics
    assert found == pytest.approx(by_hand(model, ids, split, stats["alphabet"]), rel=5e-6)
    assert found["targets"] == split["targets"]


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("kind", ["characters", "words"])
def test_no_chunk_size_changes_anything(stores, trained, kind, dense):
    store = stores / "data" / "tokens" / kind
    model, stats, ids = saved.load(trained(kind, order=5)), read_stats(store), open_split(store, "valid")[:600]
    model = Dense(model) if dense else model
    assert isinstance(model, TargetScorer) is not dense
    found = [
        evaluate_split(model, ids, stats["splits"]["valid"], stats["alphabet"], chunk).metrics
        for chunk in (None, 1, 7, 100, len(ids) - 2, len(ids) - 1, 10**9)
    ]
    assert all(result == found[0] for result in found)


def test_progress_counts_every_token(stores, trained):
    store = stores / "data" / "tokens" / "words"
    stats, ids, seen = read_stats(store), open_split(store, "valid"), []
    model = saved.load(trained("words"))
    evaluate_split(model, ids, stats["splits"]["valid"], stats["alphabet"], 10, seen.append)
    assert sum(seen) == len(ids) - 1


def test_uniform_has_the_perplexity_of_its_vocabulary():
    split = {"characters": 8, "unknown_characters": 0}
    ids = np.array([1, 2, 3, 4, 5, 6, 7, 7], np.uint8)
    found = evaluate_split(UniformModel({}, Characters(["<unk>", *"abcdefg"])), ids, split, 7).metrics
    assert found == {
        "perplexity": 8.0,
        "bits_per_character": 7 * 3 / 8,
        "accuracy": 1 / 8,
        "top5_accuracy": 5 / 8,
        "targets": 7,
    }


def test_sentence_starts_are_no_targets_and_unknown_words_are_spelled_out():
    # <s> a </s> <s> <unk> </s> with an alphabet of 6: 4 targets of 2 bits, 3 unknown letters and their end of 3 bits,
    # and 7 bits of spaces.
    model = UniformModel({}, Words(["<unk>", "<s>", "</s>", "a", "b"]))
    ids = np.array([1, 3, 2, 1, 0, 2], np.uint8)
    split = {"characters": 5, "unknown_characters": 3, "unknown_tokens": 1, "leftover_nats": 7 * log(2)}
    found = evaluate_split(model, ids, split, 6).metrics
    assert found["targets"] == 4
    assert found["perplexity"] == 4.0
    assert found["bits_per_character"] == pytest.approx((4 * 2 + 4 * 3 + 7) / 5)


def test_ties_count_by_chance():
    better, ties = np.array([0, 0, 4, 4, 5, 3]), np.array([1, 2, 1, 3, 1, 2])
    np.testing.assert_allclose(credit(better, ties, 1), [1, 1 / 2, 0, 0, 0, 0])
    np.testing.assert_allclose(credit(better, ties, 5), [1, 1, 1, 1 / 3, 0, 1])


def test_one_bit_per_character_means_the_same_in_every_kind_of_token(stores, trained):
    """Uniform models cost log2 of their vocabulary for each token, whatever a token is, over the same characters."""
    for kind in ("characters", "bigrams", "subwords"):
        store = stores / "data" / "tokens" / kind
        stats, ids = read_stats(store), open_split(store, "test")
        split = stats["splits"]["test"]
        found = evaluate_split(saved.load(trained(kind, "uniform")), ids, split, stats["alphabet"]).metrics
        bits = split["targets"] * np.log2(stats["vocabulary_size"])
        bits += split["unknown_characters"] * np.log2(stats["alphabet"] + 2)
        bits += split["unseen_characters"] * np.log2(0x110000)
        assert found["bits_per_character"] == pytest.approx(bits / split["characters"], rel=1e-5)


def test_what_tokens_throw_away_does_not_flatter(tmp_path):
    """Words in random case with random marks: a model that does not read them pays one bit each."""
    random = np.random.default_rng(7)
    vocabulary = [f"w{number}" for number in range(20)]

    def text(words):
        drawn = [
            vocabulary[i].capitalize() if up else vocabulary[i] for i, up in random.integers(0, (20, 2), (words, 2))
        ]
        return "".join(
            word + ("," if mark else "") + " " for word, mark in zip(drawn, random.integers(0, 2, words), strict=True)
        )

    sources = {"train": text(20_000), "valid": text(3_000), "test": text(3_000)}
    paths = {split: tmp_path / f"{split}.txt" for split in sources}
    for split, path in paths.items():
        path.write_text(sources[split])
    scores, questions = {}, []
    for name, changes in {
        "words": {},
        "lower": {"lower": True},
        "delete": {"delete": ","},
        "both": {"lower": True, "delete": ","},
        "few": {"limit": 12},
        "characters": {"kind": "characters"},
    }.items():
        entry = TypeAdapter(Tokens).validate_python({"corpus": "random", "kind": "words", **changes})
        folder = tmp_path / name
        stats = write(folder, entry, paths)
        learned, ids = tokenizer.load(folder / "tokenizer.json"), open_split(folder, "test")
        weights = ngram.count(open_split(folder, "train"), 2, learned.vocabulary_size, learned.start_id)
        model = ngram.NGramModel({"model": {"order": 2}}, weights, learned)
        scores[name] = evaluate_split(model, ids, stats["splits"]["test"], stats["alphabet"]).metrics
        questions.append(text_question(stats))
    assert all(question == questions[0] for question in questions)
    bits = {name: score["bits_per_character"] for name, score in scores.items()}
    # log2(20) bits a word, one for its case, one for its mark.
    truth = (np.log2(20) + 2) * 3_000 / len(sources["test"])
    for name in ("words", "lower", "delete", "both"):
        assert bits[name] == pytest.approx(truth, rel=0.03)
    # Tokens alone would say otherwise.
    tokens = {name: np.log2(scores[name]["perplexity"]) * scores[name]["targets"] for name in scores}
    assert tokens["both"] < 0.8 * tokens["words"]
    assert tokens["few"] < tokens["words"]
    assert bits["few"] > 1.2 * bits["words"]


@pytest.mark.parametrize(("ids", "words"), [([2], True), ([1, 1, 1], True), ([3], False)])
def test_nothing_to_predict_is_refused(ids, words):
    vocabulary = Words(["<unk>", "<s>", "</s>", "a"]) if words else Characters(["<unk>", "a", "b", "c"])
    with pytest.raises(AnamnesisError, match="to be predicted"):
        evaluate_split(
            UniformModel({}, vocabulary), np.array(ids, np.uint8), {"characters": 1, "unknown_characters": 0}, 2
        )


def test_a_model_that_forbids_what_comes_is_refused():
    class Certain(Dense):
        def predict(self, ids, state):
            rows = np.full((*ids.shape, 3), -np.inf)
            rows[..., 1] = 0
            return rows, state

    model = Certain(UniformModel({}, Characters(["<unk>", "a", "b"])))
    split = {"characters": 3, "unknown_characters": 0}
    assert evaluate_split(model, np.array([2, 1, 1]), split, 2).metrics["perplexity"] == 1
    with pytest.raises(AnamnesisError, match="no probability"):
        evaluate_split(model, np.array([1, 2, 1]), split, 2)


def test_the_stage_writes_metrics_samples_and_curve(stores, trained, experiment, capsys):
    folder = trained("words", order=2)
    name = folder.name
    settings = experiment("words", order=2, sampling={"prompt": "The", "length": 20})
    evaluation.evaluate(name, settings, stores)
    metrics = json.loads((stores / "metrics" / f"{name}.json").read_text())
    stats = read_stats(stores / "data" / "tokens" / "words")
    assert metrics.keys() == {
        *("experiment", "task", "board", "corpus", "tokens", "architecture", "parameters", "fingerprint", "data"),
        *("vocabulary_size", "question", "valid", "test"),
    }
    assert metrics["vocabulary_size"] == stats["vocabulary_size"]
    assert metrics["fingerprint"] == folders.read_card(folder)["fingerprint"]
    assert metrics["data"] == {split: stats["splits"][split]["text_sha256"] for split in ("valid", "test")}
    history = list(csv.DictReader((folder / "history.csv").open()))
    assert float(history[0]["valid_perplexity"]) == metrics["valid"]["perplexity"]
    assert float(history[0]["valid_bits_per_character"]) == metrics["valid"]["bits_per_character"]
    assert list(csv.DictReader((stores / "predictions" / name / "curve.csv").open())) == [
        {"experiment": name, **history[0]}
    ]
    # An n-gram model has an opinion on the order of words; how far it looks back is no question.
    assert all(0.5 < metrics[split]["shuffle_preference"] <= 1 for split in ("valid", "test"))
    assert "context_tokens" not in metrics["test"]
    assert not (stores / "predictions" / name / "context.csv").exists()
    samples = json.loads((stores / "predictions" / name / "samples.json").read_text())
    assert [sample["strategy"] for sample in samples] == ["greedy", "temperature 0.7", "top-k 10"]
    assert f"evaluate {name}: test perplexity" in capsys.readouterr().out

    first = {path: path.read_bytes() for path in (stores / "predictions" / name).iterdir()}
    evaluation.evaluate(name, settings, stores)
    assert first == {path: path.read_bytes() for path in (stores / "predictions" / name).iterdir()}
    assert metrics == json.loads((stores / "metrics" / f"{name}.json").read_text())


def test_a_network_is_asked_how_far_it_looks_back(stores):
    class Silent:
        def __getattr__(self, name):
            return lambda *arguments, **named: None

    settings = Experiment.model_validate(
        {
            "task": "language",
            "tokens": "characters",
            "model": {"architecture": "gru", "hidden": 8},
            "training": {"epochs": 1, "learning_rate": 0.01},
            "sampling": {"length": 5},
        }
    )
    train("looking", settings, stores, lambda *arguments: Silent())
    evaluation.evaluate("looking", settings, stores)
    metrics = json.loads((stores / "metrics" / "looking.json").read_text())
    rows = list(csv.DictReader((stores / "predictions" / "looking" / "context.csv").open()))
    for split in ("valid", "test"):
        found = {row["tokens"]: float(row["perplexity"]) for row in rows if row["split"] == split}
        full = found.pop("")
        span = metrics[split]["context_tokens"]
        assert found[str(span)] <= 1.02 * full
        assert span == 1 or found[str(span // 2)] > 1.02 * full


def test_another_objective_goes_to_its_slice(monkeypatch, tmp_path):
    from anamnesis.tasks.numbers import evaluation as numbers

    class Other:
        objective = "word-number"

    seen = []
    monkeypatch.setattr(numbers, "evaluate", lambda *arguments: seen.append(arguments))
    other = Other()
    evaluation.evaluate("fc", other, tmp_path)
    assert seen == [("fc", other, tmp_path)]


def test_a_model_of_other_tokens_is_refused(stores, trained, experiment):
    folder = trained("words")
    with pytest.raises(AnamnesisError, match="other tokens"):
        evaluation.evaluate(folder.name, experiment("characters"), stores)
    assert not (stores / "metrics" / f"{folder.name}.json").exists()


def test_the_stage_script_says_one_line_about_a_missing_model(tmp_path):
    command = [sys.executable, "-P", str(REPOSITORY / "pipelines" / "evaluate.py"), "nothing"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == (
        "error: models/nothing/model.json: cannot be read: No such file or directory; "
        "run `anamnesis repro` to make it again\n"
    )


def test_a_sum_in_chunks_is_the_exact_sum_rounded_once():
    random = np.random.default_rng(3)
    for _ in range(200):
        values = random.standard_normal(50) * 10.0 ** random.integers(-20, 20, 50)
        parts: list[float] = []
        for chunk in np.split(values, np.sort(random.integers(0, 50, 4))):
            parts = evaluation.exact_sum(parts, chunk)
        assert fsum(parts) == float(sum(map(Fraction, values.tolist())))
        assert len(parts) < 10
    parts = evaluation.exact_sum(evaluation.exact_sum([1.0], np.array([-np.inf])), np.array([2.0]))
    assert parts == [-np.inf]


def test_scoring_and_counting_take_memory_for_a_chunk_and_not_for_the_text():
    """Beside the text, counting keeps one node of 4 bytes for each token, and scoring nothing."""
    random = np.random.default_rng(0)
    texts = [random.integers(0, 4, size).astype(np.uint8) for size in (200_000, 1_200_000)]
    tokenizer = Characters(["<unk>", *"abc"])
    peaks = []
    for ids in texts:
        tracemalloc.start()
        weights = ngram.count(ids, 5, 4, None, block=2**14)
        counted = tracemalloc.get_traced_memory()[1]
        model = ngram.NGramModel({"model": {"order": 5}}, weights, tokenizer)
        tracemalloc.reset_peak()
        evaluate_split(model, ids, {"characters": len(ids), "unknown_characters": 0}, 4)
        peaks.append((counted, tracemalloc.get_traced_memory()[1]))
        tracemalloc.stop()
    (counted_few, scored_few), (counted_many, scored_many) = peaks
    assert counted_many - counted_few < 5 * 1_000_000
    assert scored_many - scored_few < 1_000_000
