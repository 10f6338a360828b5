"""Beam search equals plain Python, from a width of one, which is greedy, to the width of the whole space."""

from collections.abc import Callable
from functools import cache
from itertools import product

import pytest
import torch
from torch import Tensor

from anamnesis.errors import AnamnesisError
from anamnesis.nn.search import Hypothesis, State, Step, search

START, END, VOCABULARY, LIMIT = 0, 1, 4, 5
# Sequences of up to LIMIT tokens with an end, and those of LIMIT tokens without one.
SPACE = sum(3**length for length in range(LIMIT)) + 3**LIMIT
SEEDS = range(4)
PENALTIES = (0.0, 0.7, 1.0)
# Steps between two checks of what is finished: as on a CPU, as on a GPU, and never.
INTERVALS = (1, 4, 100)
Next = Callable[[tuple[int, ...]], list[float]]
"""Log-probabilities of the tokens after a prefix."""


class Decoder:
    """A random recurrent decoder that also reads a memory of the sentence, and notes each call's sentence numbers."""

    def __init__(self, seed: int, sentences: int, dtype: torch.dtype = torch.float64) -> None:
        random = torch.Generator().manual_seed(seed)

        def weights(*shape: int) -> Tensor:
            return 1.5 * torch.randn(*shape, generator=random, dtype=dtype)

        self.embeddings, self.recurrent, self.outputs = weights(VOCABULARY, 3), weights(3, 3), weights(3, VOCABULARY)
        self.memory, self.state = weights(sentences, 3), (weights(sentences, 3), weights(sentences, 2, 3))
        self.calls: list[Tensor] = []

    def step(self, tokens: Tensor, state: State, sentences: Tensor) -> tuple[Tensor, State]:
        self.calls.append(sentences)
        hidden, slow = state
        hidden = torch.tanh(hidden @ self.recurrent + self.embeddings[tokens] + self.memory[sentences])
        slow = 0.5 * slow + hidden[:, None]
        return torch.log_softmax((hidden + slow[:, 0] - slow[:, 1] ** 2) @ self.outputs, 1), (hidden, slow)

    def after(self, sentence: int) -> Next:
        """The decoder as a function of the tokens so far, each computed from the start."""

        @cache
        def following(prefix: tuple[int, ...]) -> list[float]:
            state: State = tuple(part[[sentence]] for part in self.state)
            for token in (START, *prefix):
                actual, state = self.step(torch.tensor([token]), state, torch.tensor([sentence]))
            return actual[0].tolist()

        return following


def scripted(probabilities: Callable[[int, tuple[int, ...]], list[float]], calls: list[list[int]]) -> Step:
    """A step that gives the probabilities of a sentence's next token after the tokens that its state, a row, holds."""

    def step(tokens: Tensor, state: State, sentences: Tensor) -> tuple[Tensor, State]:
        calls.append(sentences.tolist())
        prefixes = torch.cat([state[0], tokens[:, None]], 1)
        rows = [
            probabilities(sentence, tuple(prefix[1:]))
            for sentence, prefix in zip(sentences.tolist(), prefixes.tolist(), strict=True)
        ]
        return torch.tensor(rows).log(), (prefixes,)

    return step


def nothing_read(sentences: int) -> State:
    return (torch.empty(sentences, 0, dtype=torch.int64),)


def hypothesis(tokens: tuple[int, ...], total: float, penalty: float) -> Hypothesis:
    finished = tokens[-1] == END
    return Hypothesis(list(tokens[: len(tokens) - finished]), finished, total, total / len(tokens) ** penalty)


def every(following: Next, limit: int, penalty: float) -> list[Hypothesis]:
    """All sequences there are, best first."""
    bodies = [tuple(ids) for length in range(limit) for ids in product((0, 2, 3), repeat=length)]
    actual = []
    for tokens in [*((*body, END) for body in bodies), *product((0, 2, 3), repeat=limit)]:
        total = sum(following(tokens[:place])[token] for place, token in enumerate(tokens))
        actual.append(hypothesis(tokens, total, penalty))
    return sorted(actual, key=lambda one: -one.score)


def listed_beam(following: Next, limit: int, width: int, penalty: float) -> list[Hypothesis]:
    """A beam search over lists that goes on until nothing lives, best first."""
    live: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    ended: list[Hypothesis] = []
    while live:
        grown = [
            (total + more, (*prefix, token)) for total, prefix in live for token, more in enumerate(following(prefix))
        ]
        grown = sorted(grown, reverse=True)[: width - len(ended)]
        over = [one for one in grown if one[1][-1] == END or len(one[1]) == limit]
        live = [one for one in grown if one not in over]
        ended += [hypothesis(tokens, total, penalty) for total, tokens in over]
    return sorted(ended, key=lambda one: -one.score)


def assert_same(actual: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert [(one.ids, one.finished) for one in actual] == [(one.ids, one.finished) for one in expected]
    for mine, theirs in zip(actual, expected, strict=True):
        assert mine.log_probability == pytest.approx(theirs.log_probability, rel=1e-12)
        assert mine.score == pytest.approx(theirs.score, rel=1e-12)


def searched(
    decoder: Decoder, limits: list[int], width: int, n_best: int, penalty: float, interval: int = 1
) -> list[list[Hypothesis]]:
    return search(decoder.step, decoder.state, START, END, limits, width, n_best, penalty, interval)


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_beam_of_the_whole_space_is_exhaustive(seed: int, penalty: float, interval: int) -> None:
    decoder = Decoder(seed, 2)
    everything = searched(decoder, [LIMIT, 3], SPACE, SPACE, penalty, interval)
    few = searched(decoder, [LIMIT, 3], SPACE, 7, penalty, interval)
    for sentence, limit in enumerate([LIMIT, 3]):
        expected = every(decoder.after(sentence), limit, penalty)
        assert len(expected) == (SPACE if limit == LIMIT else 40)
        assert_same(everything[sentence], expected)
        assert few[sentence] == everything[sentence][:7]


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_a_beam_is_the_one_over_lists(width: int, penalty: float, interval: int) -> None:
    """A width of 1 is greedy search."""
    limits = [5, 1, 8, 3, 6, 2]
    for seed in SEEDS:
        decoder = Decoder(seed, len(limits))
        actual, best = (searched(decoder, limits, width, n, penalty, interval) for n in (width, 1))
        for sentence, limit in enumerate(limits):
            expected = listed_beam(decoder.after(sentence), limit, width, penalty)
            assert_same(actual[sentence], expected)
            assert best[sentence] == actual[sentence][:1]


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("width", [1, 2, 5])
def test_a_batch_is_its_sentences_one_by_one(width: int, interval: int) -> None:
    decoder, limits = Decoder(7, 12), [1, 2, 3, 4, 5, 6] * 2
    together = searched(decoder, limits, width, width, 0.7, interval)
    for sentence, limit in enumerate(limits):
        alone = Decoder(7, 12)
        alone.memory, alone.state = alone.memory[[sentence]], tuple(part[[sentence]] for part in alone.state)
        assert_same(together[sentence], searched(alone, [limit], width, width, 0.7)[0])
        assert all(len(one.ids) + 1 <= limit if one.finished else len(one.ids) == limit for one in together[sentence])


def test_a_finished_hypothesis_stays_while_others_continue() -> None:
    calls: list[list[int]] = []
    step = scripted(lambda sentence, prefix: [0, 0, 0.5, 0.5] if prefix else [0, 0.6, 0.4, 0], calls)
    [actual] = search(step, nothing_read(1), START, END, [5], 3, 3)
    # One ended, and so two go on, to the limit: ln 0.6 is above (ln 0.4 + 4 ln 0.5) / 5, but not above ln 0.4 / 5.
    assert calls == [[0], [0], [0, 0], [0, 0], [0, 0]]
    assert [(one.ids, one.finished) for one in actual[:1]] == [([], True)]
    assert [(len(one.ids), one.finished) for one in actual[1:]] == [(5, False), (5, False)]


def test_a_search_ends_once_no_better_hypothesis_is_possible() -> None:
    calls: list[list[int]] = []

    def probabilities(sentence: int, prefix: tuple[int, ...]) -> list[float]:
        return [0.01, 0.97, 0.01, 0.01] if sentence == 1 else [0.3, 0.1, 0.3, 0.3]

    actual = search(scripted(probabilities, calls), nothing_read(3), START, END, [4, 9, 2], 2, 1)
    # ln 0.97 is above ln 0.01 / 9; the others have no end among their likeliest tokens.
    assert calls == [[0, 1, 2], [0, 0, 2, 2], [0, 0], [0, 0]]
    assert [(len(one.ids), one.finished) for [one] in actual] == [(4, False), (0, True), (2, False)]


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("width", [1, 4])
def test_the_sentence_numbers_are_the_same_tensor_while_rows_stay(width: int, interval: int) -> None:
    decoder = Decoder(3, 5)
    searched(decoder, [3, 9, 9, 6, 9], width, width, 1.0, interval)
    pairs = list(zip(decoder.calls, decoder.calls[1:], strict=False))
    assert [first is second for first, second in pairs] == [torch.equal(first, second) for first, second in pairs]
    assert {first is second for first, second in pairs} == ({True} if (width, interval) == (1, 100) else {True, False})


def test_tokens_of_probability_zero_are_never_generated() -> None:
    step = scripted(lambda sentence, prefix: [0, 0.25, 0.75, 0] if len(prefix) < 2 else [0, 0, 1, 0], [])
    [actual] = search(step, nothing_read(1), START, END, [3], 9, 9)
    assert sorted(one.ids for one in actual) == [[], [2], [2, 2, 2]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"n_best": 4}, "n_best: found 4; allowed: from 1 to the beam's width, which is 3"),
        ({"limits": [4, 0]}, "limits: found 0; allowed: at least 1 token"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, object], said: str) -> None:
    decoder = Decoder(0, 2)
    given: dict[str, object] = {"limits": [4, 4], "width": 3, **arguments}
    with pytest.raises(AnamnesisError) as error:
        search(decoder.step, decoder.state, START, END, **given)  # type: ignore[arg-type]
    assert str(error.value) == said


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("broken", [float("nan"), 0.0])
def test_a_decoder_without_probabilities_is_refused(broken: float, width: int) -> None:
    step = scripted(lambda sentence, prefix: [broken if sentence == 1 else 0.25] * 4, [])
    with pytest.raises(AnamnesisError, match=r"^sentence 2 of 3: the decoder gives no token a probability"):
        search(step, nothing_read(3), START, END, [3, 3, 3], width)
