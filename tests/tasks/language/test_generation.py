"""Generated text: its distribution, the tokens that the model reads, and the decoding."""

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from anamnesis.data.tokenizers import tokenizer
from anamnesis.data.tokenizers.characters import Characters
from anamnesis.data.tokenizers.words import Words
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language import prediction
from anamnesis.tasks.language.model.generation import generate
from anamnesis.tasks.language.model.language_model import LanguageModel
from anamnesis.tasks.language.model.network import RecurrentNetwork
from anamnesis.tasks.language.model.predictor import RecurrentPredictor
from anamnesis.tasks.language.settings import Model


class Fixed(LanguageModel):
    """A model with p(next | last) = matrix[last, next], which keeps the `ids` that it has read."""

    def __init__(self, tokenizer, matrix):
        self.tokenizer, self.matrix, self.ids = tokenizer, np.array(matrix), []

    def initial_state(self, batch=1):
        self.ids = []
        return 0

    def predict(self, ids, state):
        assert state == len(self.ids)
        self.ids += ids[0].tolist()
        with np.errstate(divide="ignore"):
            return np.log(self.matrix[ids]), len(self.ids)


def letters(*row):
    """A model over <unk>, a, b, c, ... and the line end, with one distribution after every token."""
    tokenizer = Characters(["<unk>", *"abcdefghij"[: len(row) - 2], "\n"])
    return Fixed(tokenizer, [row] * len(row))


def shares(text, alphabet):
    return np.array([text.count(letter) / len(text) for letter in alphabet])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_with_their_probabilities_at_a_temperature(temperature):
    text = "".join(generate(letters(0, 0.5, 0.3, 0.2, 0), "a", 20_000, temperature=temperature, seed=3))
    expected = np.array([0.5, 0.3, 0.2]) ** (1 / temperature)
    np.testing.assert_allclose(shares(text, "abc"), expected / expected.sum(), atol=0.015)


@pytest.mark.parametrize("temperature", [5e-324, 1e-45, 1e-9])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("top_k", [None, 2])
def test_no_temperature_draws_a_token_that_is_not_allowed(temperature, kind, top_k):
    # <unk>, the first id, is the most probable token.
    model = letters(0.9, 0.02, 0.05, 0.03, 0)
    fixed = model.predict
    model.predict = lambda ids, state: (fixed(ids, state)[0].astype(kind), len(model.ids))
    assert "".join(generate(model, "a", 20, temperature=temperature, top_k=top_k, seed=1)) == "b" * 20


def test_top_k_draws_among_the_most_probable_in_proportion():
    text = "".join(generate(letters(0, 0.2, 0.3, 0.4, 0.1), "a", 20_000, top_k=2, seed=5))
    np.testing.assert_allclose(shares(text, "bc"), [3 / 7, 4 / 7], atol=0.015)


def test_unknown_is_left_out_and_the_rest_keeps_its_proportions():
    model = letters(0.9, 0.06, 0.03, 0.01, 0)
    text = "".join(generate(model, "a", 20_000, seed=1))
    np.testing.assert_allclose(shares(text, "abc"), [0.6, 0.3, 0.1], atol=0.015)
    assert "\ufffd" in "".join(generate(letters(0.9, 0.06, 0.03, 0.01, 0), "a", 100, seed=1, allow_unknown=True))


def test_each_token_of_prompt_and_text_is_read_once_and_in_order():
    model = letters(0, 0.5, 0.3, 0.2, 0)
    text = "".join(generate(model, "abc" * 1000, 50, seed=2))
    assert model.ids == model.tokenizer.encode("abc" * 1000 + text[:-1]).tolist()
    # An empty prompt starts a line.
    text = "".join(generate(model, "", 3))
    assert model.ids == model.tokenizer.encode("\n" + text[:-1]).tolist()


def test_an_empty_prompt_where_there_are_no_lines_draws_the_first_token_evenly():
    model = Fixed(Characters(["<unk>", *"abc"]), np.eye(4))
    starts = "".join(next(iter(generate(model, "", 1, seed=seed))) for seed in range(3000))
    np.testing.assert_allclose(shares(starts, "abc"), [1 / 3] * 3, atol=0.04)
    assert "".join(generate(model, "", 3, greedy=True)) == "aaa"


def test_a_sentence_end_is_followed_by_a_sentence_start():
    # <s> Go on </s>, again and again; <unk> is more probable than any other token.
    matrix = np.zeros((5, 5))
    for token, following in {0: 3, 1: 3, 3: 4, 4: 2}.items():
        matrix[token, [0, following]] = 0.6, 0.4
    matrix[2, 1] = 1
    model = Fixed(Words(["<unk>", "<s>", "</s>", "Go", "on"]), matrix)
    assert "".join(generate(model, "", 8, greedy=True)) == "Go on\nGo on\nGo on"
    assert model.ids == [1, 3, 4, 2, 1, 3, 4, 2, 1, 3]


def test_characters_of_several_bytes_are_not_split(stores):
    subwords = tokenizer.load(stores / "data" / "tokens" / "subwords" / "tokenizer.json")
    wanted = subwords.encode("aß€😀 z").tolist()
    assert len(wanted) > len("aß€😀 z")

    class Recited(LanguageModel):
        tokenizer = subwords

        def initial_state(self, batch=1):
            return 0

        def predict(self, ids, state):
            place = state + ids.size
            return np.where(np.arange(subwords.vocabulary_size) == wanted[place], 0.0, -np.inf)[None, None], place

    pieces = list(generate(Recited(), "a", len(wanted) - 1))
    assert "".join(pieces) == "ß€😀 z"
    assert not any("\ufffd" in piece for piece in pieces)


def network():
    torch.manual_seed(0)
    settings = TypeAdapter(Model).validate_python({"architecture": "lstm", "hidden": 16, "layers": 2})
    vocabulary = Characters(["<unk>", *"abcdefgh"])
    return RecurrentPredictor(RecurrentNetwork(settings, vocabulary.vocabulary_size).eval(), {}, vocabulary)


def test_noise_in_the_initial_state_depends_on_the_seed_and_has_the_given_deviation():
    model = network()
    read = []
    model.predict = lambda ids, state: read.append(state) or RecurrentPredictor.predict(model, ids, state)
    texts = ["".join(generate(model, "a", 40, seed=seed, noise=0.01)) for seed in (1, 1, 2)]
    first, again, other = [np.concatenate([part.ravel() for layer in state for part in layer]) for state in read]
    assert first.shape == (2 * 2 * 16,)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).min() > 0
    assert texts[0] == texts[1] != texts[2]
    # 64 numbers: their standard deviation is within a quarter of the true one.
    assert 0.0075 < first.std() < 0.0125
    read.clear()
    "".join(generate(model, "a", 40))
    assert not any(part.any() for layer in read[0] for part in layer)


@pytest.mark.parametrize(
    "arguments",
    [{"temperature": 0.0}, {"temperature": float("nan")}, {"top_k": 0}, {"length": 0}, {"seed": -1}, {"noise": 0.1}],
)
def test_values_out_of_range_are_refused_before_the_first_token(arguments):
    (name,) = arguments
    with pytest.raises(AnamnesisError, match=name):
        generate(letters(0, 1, 0, 0, 0), "a", **arguments)


def test_a_served_model_continues_texts_by_the_given_options(baseline):
    model = baseline("words")
    options = {"length": 7, "seed": 3, "temperature": 0.5}
    expected = ["".join(generate(model, text, **options)) for text in ("the", "a")]
    assert prediction.answer(model, ["the", "a"], options) == expected
    greedy = "".join(generate(model, "the", model.card["sampling"]["length"], greedy=True))
    assert prediction.answer(model, ["the"], {"greedy": True}) == [greedy]
