"""Scores of a split: those of the definitions, whatever the chunks."""

import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from math import exp, fsum, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anamnesis.data.tokenizers.characters import Characters
from anamnesis.data.tokenizers.words import Words
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language.model import ngram
from anamnesis.tasks.language.model.language_model import LanguageModel
from anamnesis.tasks.language.model.scores import exact_sum, score_split
from anamnesis.tasks.language.model.text import Split, read_split
from anamnesis.tasks.language.model.uniform import UniformModel

KINDS = ["characters", "bigrams", "words", "subwords"]


class Dense(LanguageModel):
    """A model that scores targets by whole distributions in single precision, as a network does."""

    def __init__(self, model: LanguageModel) -> None:
        self.card, self.tokenizer, self.model = model.card, model.tokenizer, model

    def initial_state(self, batch: int = 1) -> Any:
        return self.model.initial_state(batch)

    def predict(self, ids: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        rows, state = self.model.predict(ids, state)
        return rows.astype(np.float32), state


def by_hand(model: LanguageModel, split: Split) -> dict[str, float]:
    """The metrics by their definitions, one token at a time."""
    state = model.initial_state()
    nats, first, five = [], [], []
    for token, following in zip(split.ids[:-1].tolist(), split.ids[1:].tolist(), strict=True):
        rows, state = model.predict(np.array([[token]]), state)
        if following == model.tokenizer.start_id:
            continue
        row = rows[0, 0]
        nats.append(-row[following])
        better, ties = int((row > row[following]).sum()), int((row == row[following]).sum())
        first.append(min(max(1 - better, 0), ties) / ties)
        five.append(min(max(5 - better, 0), ties) / ties)
    counts = split.counts
    # The length of unknown characters and bigrams is known; words have an end, and lose spaces.
    symbols = counts["unknown_characters"] + (counts["unknown_tokens"] if "leftover_nats" in counts else 0)
    spelled = sum(nats) + symbols * log(split.alphabet + 2) + counts.get("leftover_nats", 0)
    spelled += counts["unseen_characters"] * log(0x110000)
    return {
        "perplexity": exp(np.mean(nats)),
        "bits_per_character": spelled / log(2) / counts["characters"],
        "accuracy": float(np.mean(first)),
        "top5_accuracy": float(np.mean(five)),
        "targets": counts["targets"],
    }


def metrics(model: LanguageModel, split: Split, chunk: int | None = None) -> dict[str, float]:
    scores = score_split(model, split, chunk=chunk)
    return {
        "perplexity": scores.perplexity,
        "bits_per_character": split.bits_per_character(scores.nats),
        "accuracy": scores.accuracy,
        "top5_accuracy": scores.top5_accuracy,
        "targets": scores.targets,
    }


def toy_split(ids: list[int], alphabet: int = 2, **counts: Any) -> Split:
    return Split(
        Path("toy.npy"), np.array(ids, np.uint8), {"characters": 1, "unknown_characters": 0, **counts}, alphabet
    )


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_the_definitions(stores: Path, baseline: Callable[..., Any], kind: str) -> None:
    model = baseline(kind)
    split = read_split(stores / "data" / "tokens" / kind, "test", model.tokenizer)
    assert metrics(model, split) == pytest.approx(by_hand(model, split), rel=1e-9)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("kind", ["characters", "words"])
def test_every_chunk_size_gives_the_same_scores(
    stores: Path, baseline: Callable[..., Any], kind: str, dense: bool
) -> None:
    model = baseline(kind, order=5)
    whole = read_split(stores / "data" / "tokens" / kind, "valid", model.tokenizer)
    split = Split(whole.path, whole.ids[:600], whole.counts, whole.alphabet)
    model = Dense(model) if dense else model
    expected = metrics(model, split)
    assert all(metrics(model, split, chunk) == expected for chunk in (1, 7, 100, 598, 599, 10**9))
    steps: list[int] = []
    score_split(model, split, steps.append, chunk=10)
    assert sum(steps) == split.predictions == 599


def test_sentence_starts_are_no_targets_and_unknown_words_are_spelled() -> None:
    # <s> a </s> <s> <unk> </s> with an alphabet of 6: 4 targets of 2 bits, 3 unknown letters and their end of 3 bits,
    # and 7 bits of spaces.
    model = UniformModel({}, Words(["<unk>", "<s>", "</s>", "a", "b"]))
    counts = {"characters": 5, "unknown_characters": 3, "unknown_tokens": 1, "leftover_nats": 7 * log(2)}
    result = metrics(model, toy_split([1, 3, 2, 1, 0, 2], alphabet=6, **counts))
    assert (result["targets"], result["perplexity"]) == (4, pytest.approx(4))
    assert result["bits_per_character"] == pytest.approx((4 * 2 + 4 * 3 + 7) / 5)


def test_a_split_without_targets_is_refused() -> None:
    words = Words(["<unk>", "<s>", "</s>", "a"])
    for ids, vocabulary in (([2], words), ([1, 1, 1], words), ([3], Characters(["<unk>", "a", "b", "c"]))):
        with pytest.raises(AnamnesisError, match=r"toy\.npy: found . tokens, none of which is to be predicted"):
            score_split(UniformModel({}, vocabulary), toy_split(ids))


def test_a_target_without_probability_is_refused() -> None:
    class Certain(Dense):
        def predict(self, ids: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
            rows = np.full((*ids.shape, 3), -np.inf)
            rows[..., 1] = 0
            return rows, state

    model = Certain(UniformModel({}, Characters(["<unk>", "a", "b"])))
    assert score_split(model, toy_split([2, 1, 1])).perplexity == 1
    with pytest.raises(AnamnesisError, match="a probability of 0"):
        score_split(model, toy_split([1, 2, 1]))


def test_a_sum_in_chunks_is_the_exact_sum_rounded_once() -> None:
    random = np.random.default_rng(3)
    for _ in range(200):
        values = random.standard_normal(50) * 10.0 ** random.integers(-20, 20, 50)
        parts: list[float] = []
        for chunk in np.split(values, np.sort(random.integers(0, 50, 4))):
            parts = exact_sum(parts, chunk)
        assert fsum(parts) == float(sum(map(Fraction, values.tolist())))
        assert len(parts) < 10
    assert exact_sum(exact_sum([1.0], np.array([-np.inf])), np.array([2.0])) == [-np.inf]


def test_scoring_and_counting_take_memory_for_a_chunk_and_not_for_the_text() -> None:
    """Beside the text, counting takes 4 bytes for each token, and scoring none."""
    random = np.random.default_rng(0)
    vocabulary, peaks = Characters(["<unk>", *"abc"]), []
    for size in (200_000, 800_000):
        ids = random.integers(0, 4, size).astype(np.uint8)
        tracemalloc.start()
        weights = ngram.count(ids, 5, 4, None, block=2**14)
        counting = tracemalloc.get_traced_memory()[1]
        model = ngram.NGramModel({}, weights, vocabulary, 5)
        tracemalloc.reset_peak()
        score_split(model, Split(Path("toy.npy"), ids, {}, 4))
        peaks.append((counting, tracemalloc.get_traced_memory()[1]))
        tracemalloc.stop()
    assert peaks[1][0] - peaks[0][0] < 5 * 600_000
    assert peaks[1][1] - peaks[0][1] < 1_000_000
