"""What words leave out of a text: it restores the text exactly, and its price in nats is that of a code."""

import math
from collections import Counter
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anamnesis.data.stores import store
from anamnesis.data.text.leftovers import CAPITAL, FIRST, INSIDE, LATER, LOWER, UPPER, Leftovers, nats, spelling
from anamnesis.data.tokenizers import words

KINDS = [
    {},
    {"lower": True},
    {"delete": ",.-'"},
    {"lower": True, "delete": ",.-'"},
    {"language": "de", "sentences": "lines", "lower": True},
]
# Words, marks, spaces and line ends, with letters whose case is unusual: two for one, and one for two.
PIECES = ["the", "Mr.", "HE", "McLeod", "well-known", "don't", "ß", "İ", "I", "5,000", "x"]
PIECES += [",", "-", "--", '"', "(", ".", "?!", " ", "  ", "\n", "\n\n", "\t", "\u00a0"]


def listed(tokenizer, text):
    """The leftovers of a text in their order."""
    left, found = Leftovers(tokenizer), []
    for _ in tokenizer.chunks([text] if text else [], lambda piece, cut: found.extend(left.list_leftovers(piece, cut))):
        pass
    return [*found, *left.rest()]


def rebuilt(tokenizer, kept, left):
    """The text that the words of a store, known or spelled, and the leftovers restore."""
    left, text = iter(left), ""
    for word in kept:
        _, before = next(left)
        shown = word
        if tokenizer.lower and word != word.upper():
            _, capitals = next(left)
            patterns = {LOWER: word, CAPITAL: word[:1].upper() + word[1:], UPPER: word.upper()}
            shown = patterns.get(capitals, capitals)
        marks = [next(left)[1] for _ in shown[1:]] if tokenizer.delete else [""] * len(shown[1:])
        text += before + shown[:1] + "".join(mark + letter for mark, letter in zip(marks, shown[1:], strict=True))
    text += next(left)[1]
    assert next(left, None) is None
    return text


@pytest.mark.parametrize("kind", KINDS, ids=str)
@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_words_and_leftovers_restore_the_text_exactly(kind, text):
    tokenizer = words.learn(["the he x ,"], **kind)
    kept = list(tokenizer.words([text] if text else []))
    assert rebuilt(tokenizer, kept, listed(tokenizer, text)) == text


def test_words_and_leftovers_restore_chinese():
    text = "却说曹操 OK well，\n引军至城下。  见城上旗号！\n\n"
    tokenizer = words.learn([text], language="zh")
    assert rebuilt(tokenizer, list(tokenizer.words([text])), listed(tokenizer, text)) == text


def test_an_example_by_hand():
    tokenizer = words.learn(["x"], lower=True, delete=",-")
    found = listed(tokenizer, "It was, a WELL-known\n\nMcX - o\n")
    inside, lower = (INSIDE, ""), (LATER, LOWER)
    assert found == [
        ("\n", ""), (FIRST, CAPITAL), inside,
        (" ", " "), lower, inside, inside,
        (" ", ", "), lower,
        (" ", " "), (LATER, "WELLknown"), inside, inside, inside, (INSIDE, "-"), inside, inside, inside, inside,
        ("\n", "\n\n"), (FIRST, "McX"), inside, inside,
        (" ", " - "), lower, ("\n", "\n"),
    ]  # fmt: skip
    training = Counter(found)
    # " " before 1 of 4 words ... in a context of 4 strings, and an escape.
    assert nats(Counter([(" ", ", ")]), training, 20) == pytest.approx(math.log(5 / 1))
    assert nats(Counter([(" ", " ")] * 3), training, 20) == pytest.approx(3 * math.log(5 / 2))
    assert nats(Counter([(" ", "\n")]), training, 20) == pytest.approx(math.log(5) + 2 * math.log(22))
    # The training split never has this context: every string in it is spelled.
    assert nats(Counter([("", "ab")]), training, 20) == pytest.approx(3 * math.log(22))


def test_the_probabilities_of_each_context_sum_to_one():
    tokenizer = words.learn(["a"], lower=True, delete="-")
    training = Counter(listed(tokenizer, "A b--B  a-b, Ab\n\nB a. A-a\nb\n"))
    alphabet, longest = 2, 7
    for context in {context for context, _ in training} | {"never seen"}:
        seen = {string for of, string in training if of == context}
        known = sum(math.exp(-nats(Counter([(context, string)]), training, alphabet)) for string in seen)
        # Two letters and any other character. The escape may also spell a known string, which wastes probability.
        total = sum(number for (of, _), number in training.items() if of == context)
        escape = 1 / (total + 1)
        strings = ("".join(letters) for size in range(longest + 1) for letters in product("xyz", repeat=size))
        spelled = sum(escape * math.exp(-spelling(len(string), 1, alphabet)) for string in strings)
        # The rest are the longer strings.
        assert known + spelled + escape * (3 / 4) ** (longest + 1) == pytest.approx(1)


def test_the_store_counts_the_price_with_rates_of_the_training_split(build):
    train, valid = "A cat. A dog sat\n" * 5, "a Cat  sat. A\n\nB"
    _, stats = build(train, valid, "cat", kind="words", lower=True)
    tokenizer = words.learn([train], lower=True)
    training = Counter(listed(tokenizer, train))
    expected = nats(Counter(listed(tokenizer, valid)), training, len(set(train)))
    assert stats["splits"]["valid"]["leftover_nats"] == pytest.approx(expected)
    # Only the text of the training split changes a price.
    _, other = build(train, valid, "Quite another text", kind="words", lower=True)
    assert other["splits"]["valid"] == stats["splits"]["valid"]
    # C and B.
    assert stats["splits"]["valid"]["unseen_characters"] == 2


def test_the_store_separates_unknown_words_from_unknown_marks(build):
    folder, _ = build("a b a b", "a elephant; b -- bee!", "a", kind="words")
    assert store.open_unknown(folder, "valid").tolist() == [len("elephant"), 0, 0, len("bee"), 0]
    assert store.open_unknown(folder, "test").tolist() == []
