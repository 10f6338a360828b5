"""The models: blanks, guesses and scores by their definitions, and the network against a loop, without a leak."""

from itertools import islice

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from anamnesis.data.tokenizers.characters import Characters
from anamnesis.data.tokenizers.words import Words
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.cloze.model.batches import SentenceBatches, collate
from anamnesis.tasks.cloze.model.blanks import find_candidates, split_sentences
from anamnesis.tasks.cloze.model.cloze_model import ClozeModel, examples, neural, scores, unigram
from anamnesis.tasks.cloze.model.network import ClozeNetwork, cloze_loss
from anamnesis.tasks.cloze.prediction import fill, parse
from anamnesis.tasks.cloze.settings import Model

TOKENIZER = Words(["<unk>", "<s>", "</s>", ",", "the", "cat", ".", "I", "saw", "a", "Word", "dog", "Mr", "it", '"'])
COUNTS = np.array([0, 0, 0, 0, 6, 3, 0, 2, 2, 1, 1, 1, 0, 0, 0])
CANDIDATES = find_candidates(TOKENIZER)
UNIGRAM = ClozeModel({}, TOKENIZER, CANDIDATES, unigram(COUNTS))


def copy_neighbours(sentence, places):
    """1/2 for the word before the blank and 1/4 for the word after it, the rest for all words alike."""
    result = np.tile(CANDIDATES / CANDIDATES.sum() / 4, (len(places), 1))
    result[np.arange(len(places)), sentence[places - 1]] += 0.5
    result[np.arange(len(places)), sentence[places + 1]] += 0.25
    with np.errstate(divide="ignore"):
        return np.log(result)


COPYING = ClozeModel({}, TOKENIZER, CANDIDATES, copy_neighbours)


@pytest.mark.parametrize(
    ("text", "around"),
    [
        ("I saw ____ cat.", ["I", "saw", "?", "cat", "."]),
        ("I saw a _____", ["I", "saw", "a", "?"]),
        ("I saw Mr. ____, the dog.", ["I", "saw", "Mr", ".", "?", ",", "the", "dog", "."]),
        ("A zebra. I saw the ____. The dog saw", ["I", "saw", "the", "?", "."]),
        ("I saw the cat. ____ saw the dog.", ["?", "saw", "the", "dog", "."]),
        ("I saw a zebra, a ____", ["I", "saw", "a", "<unk>", ",", "a", "?"]),
        ("a-____-- cat", ["a", "<unk>", "?", "<unk>", "cat"]),
        ("Word Word ____ Word", ["Word", "Word", "?", "Word"]),
        ("____", ["?"]),
    ],
)
def test_the_blank_and_its_sentence_are_found(text, around):
    ids, place = parse(TOKENIZER, text)
    found = [TOKENIZER.tokens[token] for token in ids]
    assert found[place] == "<unk>"
    found[place] = "?"
    assert found == ["<s>", *around, "</s>"]


def test_a_text_without_exactly_one_blank_is_refused():
    for text, message in ((" \n", "found an empty one"), ("I saw _ cat", "found 0 blanks"), ("I __ a __", "found 2")):
        with pytest.raises(AnamnesisError, match=message):
            fill(COPYING, text)


def test_guesses_come_in_order_with_their_probabilities():
    found = fill(COPYING, "the cat ____ dog saw", top=3)
    assert found[:2] == [("cat", pytest.approx(0.5 + 0.25 / 9)), ("dog", pytest.approx(0.25 + 0.25 / 9))]
    assert len(found) == 3
    everything = fill(UNIGRAM, "the ____", top=8)
    assert [word for word, _ in everything] == ["the", "cat", "I", "saw", "a", "Word", "dog", "Mr"]
    with pytest.raises(AnamnesisError, match="top: found 11; allowed: 1 to"):
        fill(COPYING, "the ____", 11)


def test_blanks_are_known_words():
    text = np.array([1, 7, 8, 0, 3, 6, 2, 1, 4, 2], np.uint8)
    assert [TOKENIZER.tokens[token] for token in np.flatnonzero(CANDIDATES)][:4] == ["the", "cat", "I", "saw"]
    assert [part.tolist() for part in split_sentences(text, TOKENIZER)] == [[1, 7, 8, 0, 3, 6, 2], [1, 4, 2]]
    assert scores(COPYING, split_sentences(text, TOKENIZER))["blanks"] == 3
    with pytest.raises(AnamnesisError, match="found kind characters; allowed: words"):
        find_candidates(Characters(["<unk>", "a"]))
    with pytest.raises(AnamnesisError, match="none of which has a known word"):
        scores(COPYING, [np.array([1, 0, 6, 2])])


def test_scores_of_frequencies_are_their_closed_form():
    text = [np.array([1, 4, 5, 3, 4, 9, 2]), np.array([1, 7, 5, 0, 2])]
    p = COUNTS / COUNTS.sum()
    words = [4, 5, 4, 9, 7, 5]
    # Two words of 16 tie for the third place, three for the fifth: of these one in three is among the five.
    assert scores(UNIGRAM, text) == {
        "perplexity": pytest.approx(np.exp(-np.log(p[words]).mean()), rel=1e-5),
        "accuracy": pytest.approx(2 / 6, rel=1e-5),
        "top5_accuracy": pytest.approx((5 + 1 / 3) / 6, rel=1e-5),
        "blanks": 6,
        "unknown_blanks": 0,
    }
    with pytest.raises(AnamnesisError, match="no probability"):
        scores(UNIGRAM, [np.array([1, 12, 2])])


def test_the_examples_do_not_depend_on_the_model():
    text = [np.array([1, 7, 8, 9, 5, 3, 4, 11, 5, 4, 4, 6, 2]) for _ in range(5)] + [np.array([1, 5, 2])] * 9
    first, second = (examples(model, text, 3) for model in (COPYING, UNIGRAM))
    assert [(each.text, each.word) for each in first] == [(each.text, each.word) for each in second]
    assert len(first) == 3
    for each in first:
        assert each.text.replace("____", each.word) == "I saw a cat, the dog cat the the."
        # The parsed text is the evaluated sentence.
        ids, place = parse(TOKENIZER, each.text)
        assert np.array_equal(np.delete(ids, place), np.delete(text[0], place))
        assert each.guesses == COPYING.guesses(copy_neighbours(text[0], np.array([place]))[0], 5)


WORDS = np.array([False] * 3 + [True] * 9)
SENTENCES = [np.array([1, *inside, 2]) for inside in ([3, 5, 4, 11, 8], [6], [10, 3, 0, 7, 9, 5, 5, 3], [4, 4])]


def network(architecture="rnn", direction="both", layers=1, words=WORDS, **more):
    torch.manual_seed(1)
    content = {"architecture": architecture, "direction": direction, "layers": layers, "hidden": 6, "embedding": 5}
    model = ClozeNetwork(TypeAdapter(Model).validate_python({**content, **more}), words).eval()
    torch.nn.init.normal_(model.embedding.weight)
    if more.get("softmax") != "adaptive":
        torch.nn.init.normal_(model.softmax.bias)
    return model


def predict(model, sentence, places):
    return neural(model)(np.asarray(sentence), np.asarray(places))


@pytest.mark.parametrize("direction", ["left", "both"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_prediction_equals_a_loop_over_the_words_around_the_blank(direction, layers):
    model = network("rnn", direction, layers)
    weights = {name: value.detach().double().numpy() for name, value in model.named_parameters()}
    sentence = SENTENCES[2]
    for place in range(1, len(sentence) - 1):
        features = []
        sides = {"forwards": sentence[:place], "backwards": sentence[:place:-1]}
        for side in ["forwards", "backwards"] if direction == "both" else ["forwards"]:
            states = [np.zeros(6) for _ in range(layers)]
            for token in sides[side]:
                below = weights["embedding.weight"][token]
                for layer in range(layers):
                    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                    w, u, b, c = (weights[f"{side}.layers.{layer}.{name}_l0"] for name in names)
                    below = states[layer] = np.tanh(w @ below + u @ states[layer] + b + c)
            features.append(states[-1])
        raised = np.zeros(len(WORDS))
        raised[WORDS] = np.exp(weights["softmax.weight"] @ np.concatenate(features) + weights["softmax.bias"])
        found = np.exp(predict(model, sentence, [place])[0])
        np.testing.assert_allclose(found, raised / raised.sum(), rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("architecture", ["rnn", "gru", "lstm", "scrn"])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("direction", ["left", "both"])
def test_a_word_influences_other_blanks_and_never_its_own(architecture, layers, direction):
    more = {"context": 4} if architecture == "scrn" else {}
    model = network(architecture, direction, layers, norm="layer", residual=True, **more)
    sentence = np.array([1, 3, 4, 5, 6, 7, 8, 2])
    places = np.arange(1, 7)
    before = predict(model, sentence, places)
    for changed in places:
        other = sentence.copy()
        other[changed] = 11
        same = (predict(model, other, places) == before).all(axis=1)
        reached = places != changed if direction == "both" else places > changed
        assert same.tolist() == (~reached).tolist()


@pytest.mark.parametrize("architecture", ["rnn", "gru", "lstm"])
def test_neither_padding_nor_other_sentences_change_a_prediction(architecture):
    model = network(architecture, "both", 2)
    places = [np.flatnonzero(WORDS[sentence]) for sentence in SENTENCES]
    batch = collate(SENTENCES, places)
    alone = np.concatenate([predict(model, *pair) for pair in zip(SENTENCES, places, strict=True)])
    with torch.no_grad():
        together = model(batch).numpy()
        filler = torch.arange(len(batch.ids))[:, None] >= batch.lengths
        filled = model(batch._replace(ids=batch.ids.masked_fill(filler, 9))).numpy()
    assert np.array_equal(together, filled)
    words = np.concatenate([sentence[found] for sentence, found in zip(SENTENCES, places, strict=True)])
    nats = -alone[np.arange(len(words)), words].sum()
    with torch.no_grad():
        valid, train = cloze_loss(model, batch), cloze_loss(model.train(), batch)
    assert float(train.total) == pytest.approx(nats, rel=1e-5)
    assert float(valid.total) == pytest.approx(nats, rel=1e-5)
    assert int(valid.sums["hits"]) == (alone.argmax(axis=1) == words).sum()
    assert train.count == valid.count == len(words)


def test_the_adaptive_softmax_gives_the_answers_all_probability():
    words = np.arange(60) % 7 > 1
    model = network(softmax="adaptive", words=words)
    sentence = np.array([1, *np.flatnonzero(words), 2])
    places = np.arange(1, len(sentence) - 1)
    found = predict(model, sentence, places)
    np.testing.assert_allclose(np.exp(found[:, words]).sum(axis=1), 1, rtol=1e-5)
    assert np.isneginf(found[:, ~words]).all()
    with torch.no_grad():
        loss = model.loss(model(collate([sentence], [places])), torch.from_numpy(sentence[places]))
    assert float(loss) == pytest.approx(-found[np.arange(len(places)), sentence[places]].sum(), rel=1e-5)
    with pytest.raises(AnamnesisError, match="adaptive for 9 tokens"):
        network(softmax="adaptive")


def test_batches_cover_each_blank_once_an_epoch_and_go_on_where_they_were():
    random = np.random.default_rng(0)
    sentences = [np.array([1, *random.integers(0, 12, length), 2]) for length in random.integers(1, 9, 50)]
    sentences.append(np.array([1, 0, 2]))  # nothing to hide

    def blanks(batches):
        return [
            (batch.ids[:, column].tolist(), int(time), int(batch.lengths[column]))
            for batch in batches
            for time, column in zip(batch.times, batch.columns, strict=True)
        ]

    batches = SentenceBatches(sentences, WORDS, 4, seed=1)
    first, second = blanks(batches), blanks(batches)
    expected = [(list(s), t) for s in sentences for t in range(len(s)) if WORDS[s[t]]]
    assert sorted((ids[:length], time) for ids, time, length in first) == sorted(expected)
    assert first != second
    assert len(list(batches)) == len(batches)
    # A loader goes on in the middle of an epoch.
    interrupted, resumed = (SentenceBatches(sentences, WORDS, 4, seed=1) for _ in range(2))
    some = list(islice(interrupted, 5))
    resumed.load_state_dict(interrupted.state_dict())
    assert blanks(some) + blanks(resumed) == first
    by_length = [batch.lengths.tolist() for batch in SentenceBatches(sentences, WORDS, 4, seed=None)]
    assert [length for part in by_length for length in part] == sorted(len(s) for s in sentences[:-1] if WORDS[s].any())


def test_batch_normalisation_would_leak_and_is_refused():
    with pytest.raises(ValidationError, match="mixes the blank's own word in"):
        network(norm="batch")
