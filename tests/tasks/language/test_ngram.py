"""The n-gram model against an implementation of the published equations with dictionaries of tuples."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from anamnesis.metrics.targets import from_distributions
from anamnesis.tasks.language.model import ngram

ORDERS = [1, 2, 3, 4, 5]


class Literal:
    """Interpolated modified Kneser-Ney of lists of sentences, literally as by Chen and Goodman."""

    def __init__(self, stream, order, vocabulary, start):
        self.order, self.start = order, "<s>" if start is None else start
        self.words = [w for w in range(vocabulary) if w != start]
        sentences = [[self.start]]
        for token in stream:
            if token == self.start:
                sentences.append([self.start])
            else:
                sentences[-1].append(token)
        seen = {k: Counter() for k in range(1, order + 1)}
        for sentence in sentences:
            for i in range(1, len(sentence)):
                for k in range(1, min(order, i + 1) + 1):
                    seen[k][tuple(sentence[i - k + 1 : i + 1])] += 1
        self.counts = {order: seen[order]}
        for k in range(1, order):
            before = {}
            for gram in seen[k + 1]:
                before.setdefault(gram[1:], set()).add(gram[0])
            self.counts[k] = {g: n if g[0] == self.start else len(before[g]) for g, n in seen[k].items()}
        self.discounts = {k: self.estimate(list(counts.values())) for k, counts in self.counts.items()}

    @staticmethod
    def estimate(counts):
        n1, n2, n3, n4 = (counts.count(j) for j in (1, 2, 3, 4))
        y = n1 / (n1 + 2 * n2) if n1 else 0
        found = [
            1 - 2 * y * n2 / n1 if n1 else 0,
            2 - 3 * y * n3 / n2 if n2 else 0,
            3 - 4 * y * n4 / n3 if n3 else 0,
        ]
        return [d if 0 < d < j else j / 2 for j, d in enumerate(found, start=1)]

    def history(self, tokens):
        last = [self.start, *tokens]
        last = last[len(last) - 1 - last[::-1].index(self.start) :]
        return tuple(last[len(last) - self.order + 1 :] if len(last) >= self.order else last) if self.order > 1 else ()

    def probability(self, word, history):
        lower = self.probability(word, history[1:]) if history else 1 / len(self.words)
        counts, (d1, d2, d3) = self.counts[len(history) + 1], self.discounts[len(history) + 1]
        after = [counts.get((*history, w), 0) for w in self.words]
        if sum(after) == 0:
            return lower
        own = counts.get((*history, word), 0)
        kept = own - (0, d1, d2, d3)[min(own, 3)]
        freed = d1 * after.count(1) + d2 * after.count(2) + d3 * sum(n >= 3 for n in after)
        return kept / sum(after) + freed / sum(after) * lower


def make(stream, order, vocabulary, start):
    weights = ngram.count(np.array(stream, np.uint16), order, vocabulary, start)
    tokenizer = SimpleNamespace(vocabulary_size=vocabulary, start_id=start)
    return ngram.NGramModel({}, weights, tokenizer, order)


def chain(seed, length, vocabulary, start, used):
    """A text of a random Markov chain over the tokens in `used`, with some sentence starts when there is `start`."""
    random = np.random.default_rng(seed)
    matrix = random.dirichlet(np.full(len(used), 0.3), size=vocabulary)
    stream = [used[0]] if start is None else [start]
    while len(stream) < length:
        if start is not None and stream[-1] != start and random.random() < 0.15:
            stream.append(start)
        else:
            stream.append(int(random.choice(used, p=matrix[stream[-1]])))
    return stream


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("start", [None, 0, 4], ids=["characters", "start-first", "start-inside"])
def test_probabilities_equal_the_literal_equations(order, start):
    vocabulary = 9
    used = [w for w in range(vocabulary - 1) if w != start]  # the last token never occurs
    stream = chain(order, 300, vocabulary, start, used)
    literal, model = Literal(stream, order, vocabulary, start), make(stream, order, vocabulary, start)
    # The text itself has seen histories, random tokens have unseen ones.
    noise = np.random.default_rng(1).integers(0, vocabulary, 60).tolist()
    text = stream[:60] + noise
    rows, _ = model.predict(np.array([text]), model.initial_state())
    for place in range(len(text)):
        history = literal.history(text[: place + 1] if text[0] != literal.start else text[1 : place + 1])
        expected = [0.0 if w == start else literal.probability(w, history) for w in range(vocabulary)]
        np.testing.assert_allclose(np.exp(rows[0, place]), expected, rtol=1e-12)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("stream", [[1], [1, 2, 3, 3, 4], [1, 1, 1, 1, 1, 1], [2, 1, 3, 4, 5, 2, 6] * 3])
def test_tiny_texts_give_probabilities(order, stream):
    model = make(stream, order, 7, None)
    rows, _ = model.predict(np.array([[*stream, 0, 5, 5, 6]]), model.initial_state())
    np.testing.assert_allclose(np.exp(rows).sum(axis=-1), 1, rtol=1e-12)
    assert np.isfinite(rows).all()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("start", [None, 0])
def test_scores_of_targets_equal_those_of_whole_distributions(order, start):
    vocabulary = 12
    used = [w for w in range(vocabulary) if w != start][:9]
    model = make(chain(3, 400, vocabulary, start, used), order, vocabulary, start)
    random = np.random.default_rng(4)
    text = np.concatenate((chain(3, 200, vocabulary, start, used), random.integers(0, vocabulary, 201)))[None]
    rows, after = model.predict(text[:, :-1], model.initial_state())
    expected = from_distributions(rows, text[:, 1:])
    found, state = model.score_targets(text[:, :-1], text[:, 1:], model.initial_state())
    predicted = text[:, 1:] != start
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one[predicted], other[predicted], rtol=1e-12)
    assert (found.log_probabilities[~predicted] == -np.inf).all()
    np.testing.assert_array_equal(state, after)


def test_ties_beyond_the_leaders_are_counted():
    # Of 20 equally probable tokens, each is among the five most probable with chance 5/20.
    stream = list(range(1, 21))
    model = make(stream, 1, 22, None)
    scores, _ = model.score_targets(np.array([[0, 0]]), np.array([[5, 0]]), model.initial_state())
    np.testing.assert_allclose(scores.top5, [[5 / 20, 0]])
    np.testing.assert_allclose(scores.top1, [[1 / 20, 0]])


@pytest.mark.parametrize("order", ORDERS)
def test_single_tokens_give_the_same_as_a_whole_text(order):
    model = make(chain(5, 500, 8, 0, list(range(1, 8))), order, 8, 0)
    text = np.random.default_rng(6).integers(0, 8, (3, 50))
    whole, end = model.predict(text, model.initial_state(3))
    state = model.initial_state(3)
    for place in range(50):
        row, state = model.predict(text[:, place : place + 1], state)
        np.testing.assert_array_equal(row[:, 0], whole[:, place])
    np.testing.assert_array_equal(state, end)


@pytest.mark.parametrize("start", [None, 0])
def test_counts_equal_those_of_tuples_for_every_block_size(start):
    random = np.random.default_rng(5)
    for block in (1, 2, 3, 7, 50, 1000):
        ids = random.integers(0, 4, 60).astype(np.uint16)
        weights = ngram.count(ids, 4, 4, start, block)
        boundary, base = (4, 5) if start is None else (0, 4)
        text = [boundary, *ids.tolist()] if ids[0] != boundary else ids.tolist()
        # Only the first token of an n-gram may be a start.
        tuples = {
            k: Counter(
                tuple(text[place : place + k])
                for place in range(len(text) - k + 1)
                if boundary not in text[place + 1 : place + k]
            )
            for k in (2, 3, 4)
        }
        for k in range(2, 5):
            nodes = sorted(tuples[k])
            parents = [(token,) for token in range(base)] if k == 2 else sorted(tuples[k - 1])
            keys = [parents.index(node[:-1]) * base + node[-1] for node in nodes]
            assert weights[f"keys.{k}"].tolist() == keys
        assert weights["counts.4"].tolist() == [tuples[4][node] for node in sorted(tuples[4])]
        before = Counter(node[1:] for node in tuples[4])
        expected = [tuples[3][node] if node[0] == boundary else before[node] for node in sorted(tuples[3])]
        assert weights["counts.3"].tolist() == expected
