"""Generated text: drawn from the right distribution, by reading each token once, and decoded without seams."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from anamnesis.data.tokenizers.characters import Characters
from anamnesis.data.tokenizers.words import Words
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language import saved
from anamnesis.tasks.language.generation import generate, samples, strategies
from anamnesis.tasks.language.network import RecurrentNetwork, RecurrentPredictor
from anamnesis.tasks.language.settings import Recurrent, Sampling


class Fixed:
    """A model whose next token depends on the last one alone, by a given matrix; it notes what it was fed."""

    def __init__(self, tokenizer, matrix):
        self.tokenizer, self.matrix, self.read = tokenizer, np.array(matrix), []

    def initial_state(self, batch=1):
        self.read = []
        return 0

    def predict(self, ids, state):
        assert state == len(self.read)
        self.read += ids[0].tolist()
        with np.errstate(divide="ignore"):
            return np.log(self.matrix[ids]), len(self.read)


def letters(*row):
    """A model over <unk>, a, b, c, ... and the line end, with one distribution after every token."""
    tokenizer = Characters(["<unk>", *"abcdefghij"[: len(row) - 2], "\n"])
    return Fixed(tokenizer, [row] * len(row))


def shares(text, alphabet):
    return np.array([text.count(letter) / len(text) for letter in alphabet])


def test_tokens_are_drawn_with_their_probabilities():
    text = "".join(generate(letters(0, 0.5, 0.3, 0.2, 0), "a", 20_000, seed=3))
    np.testing.assert_allclose(shares(text, "abc"), [0.5, 0.3, 0.2], atol=0.015)


def test_temperature_sharpens_and_flattens():
    for temperature in (0.5, 2.0):
        text = "".join(generate(letters(0, 0.5, 0.3, 0.2, 0), "a", 20_000, temperature=temperature, seed=3))
        expected = np.array([0.5, 0.3, 0.2]) ** (1 / temperature)
        np.testing.assert_allclose(shares(text, "abc"), expected / expected.sum(), atol=0.015)


def test_a_tiny_temperature_is_greedy_and_does_not_overflow():
    model = letters(0, 0.3, 0.5, 0.2, 0)
    assert "".join(generate(model, "a", 5, temperature=1e-300)) == "bbbbb"


@pytest.mark.parametrize("temperature", [5e-324, 1e-320, 1e-300, 1e-45, 1e-9])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("top_k", [None, 1, 2, 9])
def test_no_temperature_draws_a_token_that_is_not_allowed(temperature, kind, top_k):
    # <unk>, the first id, is the likeliest token.
    model = letters(0.9, 0.02, 0.05, 0.03, 0)
    fixed = model.predict
    model.predict = lambda ids, state: (fixed(ids, state)[0].astype(kind), len(model.read))
    assert "".join(generate(model, "a", 20, temperature=temperature, top_k=top_k, seed=1)) == "b" * 20


def test_a_model_that_allows_no_token_at_all_draws_evenly():
    text = "".join(generate(letters(1, 0, 0, 0, 0), "a", 4_000, seed=2))
    np.testing.assert_allclose(shares(text, "abc\n"), [0.25] * 4, atol=0.03)


def test_top_k_draws_among_the_likeliest_in_proportion():
    text = "".join(generate(letters(0, 0.2, 0.3, 0.4, 0.1), "a", 20_000, top_k=2, seed=5))
    np.testing.assert_allclose(shares(text, "bc"), [3 / 7, 4 / 7], atol=0.015)


def test_greedy_takes_the_likeliest_and_ignores_the_seed():
    model = letters(0, 0.3, 0.4, 0.3, 0)
    assert "".join(generate(model, "a", 4, greedy=True, seed=1)) == "bbbb"


def test_unknown_is_left_out_and_the_rest_keeps_its_proportions():
    model = letters(0.9, 0.06, 0.03, 0.01, 0)
    text = "".join(generate(model, "a", 20_000, seed=1))
    np.testing.assert_allclose(shares(text, "abc"), [0.6, 0.3, 0.1], atol=0.015)
    assert "\ufffd" in "".join(generate(letters(0.9, 0.06, 0.03, 0.01, 0), "a", 100, seed=1, allow_unknown=True))


def test_each_token_is_read_once():
    model = letters(0, 0.5, 0.3, 0.2, 0)
    text = "".join(generate(model, "abc", 50, seed=2))
    assert model.read == model.tokenizer.encode("abc" + text[:-1]).tolist()


def test_a_long_prompt_is_read_in_order():
    model = letters(0, 0.5, 0.3, 0.2, 0)
    "".join(generate(model, "abc" * 1000, 1, seed=2))
    assert model.read == model.tokenizer.encode("abc" * 1000).tolist()


def test_an_empty_prompt_starts_a_line():
    model = letters(0, 1, 0, 0, 0)
    assert "".join(generate(model, "", 3)) == "aaa"
    assert model.read[0] == model.tokenizer.encode("\n")[0]


def test_an_empty_prompt_where_there_are_no_lines_draws_the_first_token_evenly():
    tokenizer = Characters(["<unk>", *"abc"])
    starts = "".join(next(iter(generate(Fixed(tokenizer, np.eye(4)), "", 1, seed=seed))) for seed in range(3000))
    np.testing.assert_allclose(shares(starts, "abc"), [1 / 3] * 3, atol=0.04)
    assert "".join(generate(Fixed(tokenizer, np.eye(4)), "", 3, greedy=True)) == "aaa"


def test_a_prompt_of_unknown_letters_is_read_as_unknown():
    model = letters(0, 1, 0, 0, 0)
    assert "".join(generate(model, "aß", 2)) == "aa"
    assert model.read[:2] == [1, 0]


def test_a_sentence_end_is_followed_by_a_sentence_start():
    tokenizer = Words(["<unk>", "<s>", "</s>", "Go", "on"])
    # <s> Go on </s>, for ever; <unk> is likelier than any, and <s> would be, were it not for probability 0.
    after = {0: 3, 1: 3, 3: 4, 4: 2}
    matrix = np.zeros((5, 5))
    for token, following in after.items():
        matrix[token, [0, following]] = 0.6, 0.4
    matrix[2] = np.nan
    matrix[2, 1] = 1
    model = Fixed(tokenizer, np.nan_to_num(matrix))
    assert "".join(generate(model, "", 8, greedy=True)) == "Go on\nGo on\nGo on"
    assert model.read == [1, 3, 4, 2, 1, 3, 4, 2, 1, 3]


def test_the_prompt_decides_the_space_before_the_first_word():
    tokenizer = Words(["<unk>", "<s>", "</s>", "Go", ","])
    matrix = np.zeros((5, 5))
    matrix[3, 4] = matrix[4, 3] = matrix[1, 3] = matrix[2, 3] = matrix[0, 3] = 1
    assert "".join(generate(Fixed(tokenizer, matrix), "Go", 3)) == ", Go,"


def test_characters_of_several_bytes_stay_whole(stores):
    from anamnesis.data.tokenizers import tokenizer

    subwords = tokenizer.load(stores / "data" / "tokens" / "subwords" / "tokenizer.json")
    wanted = subwords.encode("aß€😀 z").tolist()
    assert len(wanted) > len("aß€😀 z")

    class Recited:
        tokenizer = subwords

        def initial_state(self, batch=1):
            return 0

        def predict(self, ids, state):
            place = state + ids.size
            return np.where(np.arange(subwords.vocabulary_size) == wanted[place], 0.0, -np.inf)[None, None], place

    pieces = list(generate(Recited(), "a", len(wanted) - 1))
    assert "".join(pieces) == "ß€😀 z"
    assert not any("\ufffd" in piece for piece in pieces)


@pytest.mark.parametrize("kind", ["characters", "bigrams", "words", "subwords"])
def test_real_models_write_length_tokens_the_same_each_time(trained, kind):
    model = saved.load(trained(kind))
    arguments = {"prompt": "The ", "length": 60, "seed": 4}
    text = "".join(generate(model, **arguments))
    assert text == "".join(generate(model, **arguments))
    assert text != "".join(generate(model, **arguments | {"seed": 5}))
    assert "<unk>" not in text
    assert "<s>" not in text


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"top_k": 0}, "top_k"),
        ({"length": 0}, "length"),
        ({"seed": -1}, "seed"),
    ],
)
def test_values_out_of_range_are_refused_before_the_first_token(arguments, name):
    with pytest.raises(AnamnesisError, match=name):
        generate(letters(0, 1, 0, 0, 0), "a", **arguments)


def test_samples_show_each_strategy():
    sampling = Sampling(prompt="a", length=5, temperature=0.7, top_k=3)
    names = [name for name, _ in strategies(sampling, 1)]
    assert names == ["greedy", "temperature 0.7, top-k 3", "top-k 10"]
    made = samples(letters(0, 0.3, 0.4, 0.3, 0), sampling, 1)
    assert [sample["strategy"] for sample in made] == names
    assert made[0] == {"prompt": "a", "strategy": "greedy", "text": "bbbbb"}
    assert all(len(sample["text"]) == 5 for sample in made)


def test_a_vocabulary_of_nothing_but_specials_is_refused():
    model = SimpleNamespace(tokenizer=Words(["<unk>", "<s>", "</s>"]))
    model.tokenizer.tokens = ["<unk>", "<s>"]
    with pytest.raises(AnamnesisError, match="no token"):
        generate(model, "", 1)


def network():
    torch.manual_seed(0)
    settings = Recurrent.model_validate({"architecture": "lstm", "hidden": 16, "layers": 2})
    vocabulary = Characters(["<unk>", *"abcdefgh"])
    return RecurrentPredictor(RecurrentNetwork(settings, vocabulary.vocabulary_size).eval(), {}, vocabulary)


def test_noise_in_the_first_state_is_drawn_anew_for_each_text_from_its_seed():
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


@pytest.mark.parametrize("noise", [-0.1, float("nan"), float("inf")])
def test_noise_that_is_no_deviation_is_refused(noise):
    with pytest.raises(AnamnesisError, match="noise: found"):
        generate(network(), "a", 4, noise=noise)


def test_noise_needs_a_state(trained):
    with pytest.raises(AnamnesisError, match=r"noise: found 0\.1; a model of architecture ngram has no state"):
        generate(saved.load(trained("words")), "a", 4, noise=0.1)
