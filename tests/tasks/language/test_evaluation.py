"""The evaluation: its files, the context that a model uses, and sentences against their shuffled words."""

import json
import math
from collections import Counter
from math import exp
from pathlib import Path

import numpy as np
import pytest
import torch
import toys as toy
from pydantic import TypeAdapter

from anamnesis.data.stores.store import open_split
from anamnesis.data.tokenizers import tokenizer
from anamnesis.data.tokenizers.characters import Characters
from anamnesis.data.tokenizers.words import Words
from anamnesis.tasks.language.evaluation import context, preference
from anamnesis.tasks.language.evaluation.preference import shuffle_preference, shuffled_pairs
from anamnesis.tasks.language.model.network import RecurrentNetwork
from anamnesis.tasks.language.model.predictor import RecurrentPredictor
from anamnesis.tasks.language.model.scores import score_split
from anamnesis.tasks.language.model.text import Split
from anamnesis.tasks.language.model.uniform import UniformModel
from anamnesis.tasks.language.settings import Model


def test_metrics_agree_with_the_history_and_samples_have_three_strategies(toys):
    _, metrics, predictions = toys.results("language-ngram")
    (row,) = toy.rows(toys.model("language-ngram") / "history.csv")
    for metric in ("perplexity", "bits_per_character"):
        assert metrics["valid"][metric] == float(row[f"valid_{metric}"])
    samples = json.loads((predictions / "samples.json").read_text())
    assert [sample["strategy"] for sample in samples] == ["greedy", "temperature 0.7", "top-k 10"]
    assert {path.name for path in predictions.iterdir()} == {"samples.json", "curve.csv"}


def test_a_network_also_has_its_number_of_context_tokens(toys):
    _, metrics, predictions = toys.results("language-gru")
    table = toy.rows(predictions / "context.csv")
    for split in ("valid", "test"):
        perplexities = {row["tokens"]: float(row["perplexity"]) for row in table if row["split"] == split}
        full, span = perplexities.pop(""), metrics[split]["context_tokens"]
        assert perplexities[str(span)] <= 1.02 * full
        assert span == 1 or perplexities[str(span // 2)] > 1.02 * full


def carried(model, ids):
    return score_split(model, Split(Path("toy.npy"), ids, {}, 2), keep=True).log_probabilities


@pytest.mark.parametrize("kind", ["characters", "words"])
@pytest.mark.parametrize("order", [2, 3, 5])
def test_an_ngram_model_uses_one_token_less_than_its_order(stores, baseline, kind, order):
    model = baseline(kind, order=order)
    ids = open_split(stores / "data" / "tokens" / kind, "train")[:6000]
    result = context.measure_context(model, ids, carried(model, ids))
    assert result.tokens == [1, 2, 4, 8, 16, 32, 64]
    for k, perplexity in zip(result.tokens, result.perplexities, strict=True):
        assert (perplexity == pytest.approx(result.full, rel=1e-9)) is (k >= order - 1)
    assert result.span == order - 1


@pytest.fixture
def network(stores):
    torch.manual_seed(0)
    vocabulary = tokenizer.load(stores / "data" / "tokens" / "words" / "tokenizer.json")
    settings = TypeAdapter(Model).validate_python({"architecture": "lstm", "hidden": 8, "layers": 2})
    weights = RecurrentNetwork(settings, vocabulary.vocabulary_size).eval()
    with torch.no_grad():
        for value in weights.parameters():
            value.mul_(4)
    return RecurrentPredictor(weights, {}, vocabulary)


def test_windows_in_batches_give_the_same_as_one_by_one(stores, network):
    ids = open_split(stores / "data" / "tokens" / "words", "train")[:700].astype(np.int64)
    log_probabilities = carried(network, ids)
    result = context.measure_context(network, ids, log_probabilities)
    places = [place for place in range(64, len(ids)) if ids[place] != network.tokenizer.start_id]
    assert result.full == pytest.approx(exp(-np.mean([log_probabilities[place - 1] for place in places])))
    for k, perplexity in zip(result.tokens, result.perplexities, strict=True):
        if k in (1, 8):
            losses = []
            for place in places:
                rows, _ = network.predict(ids[None, place - k : place], network.initial_state())
                losses.append(-rows[0, -1, ids[place]])
            assert perplexity == pytest.approx(exp(np.mean(losses)), rel=1e-5)


def test_more_than_usual_is_read_while_it_helps(stores, network):
    ids = open_split(stores / "data" / "tokens" / "words", "train")[:3000]
    # A carried state that predicts every token: no window is as good.
    result = context.measure_context(network, ids, np.zeros(len(ids) - 1))
    assert result.tokens == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert (result.full, result.span) == (1.0, None)


def test_the_span_is_the_first_k_from_which_on_all_are_within_the_tolerance():
    assert context.Context([1, 2, 4, 8], [9.0, 5.09, 5.2, 5.05], 5.0).span == 8
    assert context.Context([1, 2, 4, 8], [9.0, 5.09, 5.1, 4.9], 5.0).span == 2
    assert context.Context([1, 2], [9.0, 8.0], 5.0).span is None


def test_a_short_text_has_no_result(network):
    assert context.measure_context(network, np.full(90, 3), np.zeros(89)) is None


KINDS = ["characters", "bigrams", "words", "subwords"]


@pytest.fixture
def model_and_ids(stores, baseline):
    def make(kind, *model):
        return baseline(kind, *model), open_split(stores / "data" / "tokens" / kind, "train")

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_both_versions_have_the_same_letters_in_another_order(model_and_ids, kind):
    model, ids = model_and_ids(kind)
    pairs = shuffled_pairs(model.tokenizer, ids)
    assert preference.FEWEST <= len(pairs) <= preference.SENTENCES
    for pair in pairs:
        sentence, shuffled = (model.tokenizer.decode(ids.tolist()) for ids in pair)
        assert sentence != shuffled
        # Decoded words have no space before a mark, wherever the mark stands.
        assert Counter(sentence.replace(" ", "")) == Counter(shuffled.replace(" ", ""))


def test_words_of_characters_stay_whole_and_punctuation_stays_last():
    text = 'Before it.\n\nWe love working on  deep\nlearning?!" No.\n\nAfter it all comes this.'
    tokenizer = Characters(["<unk>", *sorted(set(text))])
    ((sentence, shuffled),) = shuffled_pairs(tokenizer, tokenizer.encode(text))
    # A text begins with a line end; its incomplete first and last sentences and the short one are left out.
    assert tokenizer.decode(sentence) == '\nWe love working on deep learning?!"'
    other = tokenizer.decode(shuffled)
    assert other.startswith("\n")
    assert other.endswith('?!"')
    assert sorted(other[1:-3].split(" ")) == sorted(["We", "love", "working", "on", "deep", "learning"])


def test_words_stay_between_start_and_end_and_punctuation_stays_last():
    tokenizer = Words(["<unk>", "<s>", "</s>", "a", "b", "c", "d", ",", ".", '"'])
    ids = np.array([1, 3, 4, 7, 5, 6, 8, 9, 2, 1, 3, 4, 5, 8, 2, 1, 3, 3, 3, 3, 8, 2], np.uint8)
    # Three words are too few, and four equal ones have no other order.
    ((sentence, shuffled),) = shuffled_pairs(tokenizer, ids)
    assert sentence.tolist() == [1, 3, 4, 7, 5, 6, 8, 9, 2]
    assert shuffled.tolist()[-3:] == [8, 9, 2]
    assert sorted(shuffled.tolist()[1:-3]) == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("kind", KINDS)
def test_the_share_is_that_of_sentences_scored_one_by_one(model_and_ids, kind):
    model, ids = model_and_ids(kind)
    ids = ids[: len(ids) // 5]
    better = []
    for pair in shuffled_pairs(model.tokenizer, ids):
        nats = []
        for text in pair:
            state, total = model.initial_state(), 0.0
            for token, following in zip(text[:-1].tolist(), text[1:].tolist(), strict=True):
                rows, state = model.predict(np.array([[token]]), state)
                total -= rows[0, 0, following]
            nats.append(total)
        better.append(0.5 if math.isclose(*nats, rel_tol=1e-6) else float(nats[0] < nats[1]))
    assert shuffle_preference(model, ids) == pytest.approx(np.mean(better), abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_models_without_word_order_score_a_half_and_others_more(model_and_ids, kind):
    # Of subwords, another order may be another number of tokens.
    if kind in ("characters", "words"):
        assert shuffle_preference(*model_and_ids(kind, "uniform")) == 0.5
    if kind == "words":
        assert shuffle_preference(*model_and_ids(kind, "ngram", 1)) == 0.5
    assert shuffle_preference(*model_and_ids(kind)) > 0.8


def test_too_few_sentences_have_no_result():
    tokenizer = Characters(["<unk>", *"helo"])
    assert shuffle_preference(UniformModel({}, tokenizer), tokenizer.encode("hello")) is None
