"""Does a model prefer a sentence to its own words in another order?

From a split, up to `SENTENCES` sentences of `WORDS` to `LONGEST` words are drawn, and of each the words are put in a
random order that reads differently; word order is all there is to go by:

- In a store with `<s>` and `</s>`, words are its tokens. Elsewhere they are what white space separates, and the letters
  within them stay as they are; in both versions, a single space stands between two words.
- The marks that close a sentence (its last characters or tokens without a letter or digit) keep their place: that a
  full stop comes last is not counted as a sense of word order. So does a capital its word: nothing is rewritten.
- Each version is read by itself from the initial state, as in `scoring.py`, and the one with the larger probability is
  preferred. Equal ones count half, so that a model that knows no order scores 0.5.

The draw depends on the split alone: all models of one token store judge the same pairs.
"""

import re
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.text.blocks import pieces
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.data.tokenizers.sentences import rule
from anamnesis.tasks.language.protocol import NextTokenModel
from anamnesis.tasks.language.reading import surprisals
from anamnesis.tasks.language.scoring import counted, readable

SENTENCES = 200
WORDS = 4
# Fewer pairs say nothing.
FEWEST = 10
# A longer one is a list or a page without a full stop, and would cost as much as ten others.
LONGEST = 80
SEED = 0
# Sums of the same numbers in another order differ by rounding alone.
TIE = 1e-6

Item = TypeVar("Item")
_CLOSING = re.compile(r"(?<![\W_])[\W_]++\Z")


def shuffle_preference(model: NextTokenModel, ids: NDArray[np.integer]) -> float | None:
    """The share of sentences of a split that a model prefers to their shuffled words; None with too few sentences.

    Args:
        ids: the split (tokens,).
    """
    pairs = shuffled_pairs(model.tokenizer, ids)
    if len(pairs) < FEWEST:
        return None
    texts = [text for pair in pairs for text in pair]
    nats = [
        float(surprisal[counted(model.tokenizer, text)].sum())
        for text, surprisal in zip(texts, surprisals(model, texts), strict=True)
    ]
    return preferred(np.array(nats).reshape(-1, 2))


def preferred(nats: NDArray[np.float64]) -> float:
    """The share of pairs (pairs, 2) whose first costs less than its second; equal ones, up to rounding, count half."""
    gain = nats[:, 1] - nats[:, 0]
    equal = np.abs(gain) <= TIE * nats.max(axis=1)
    return float(np.where(equal, 0.5, gain > 0).mean())


def shuffled_pairs(tokenizer: Tokenizer, ids: NDArray[np.integer]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Sentences of a split and their shuffled words, as ids that can be read from the initial state.

    Args:
        ids: the split (tokens,).

    Returns:
        At most `SENTENCES` pairs, in the order of the text.
    """
    random = np.random.default_rng(SEED)
    pairs = []
    if tokenizer.start_id is None:
        for text in _drawn(_spaced(tokenizer, ids), random):
            words, closing = _without_closing(text)
            if (shuffled := _shuffled(words, random)) is not None:
                original, other = (readable(tokenizer, " ".join(version) + closing) for version in (words, shuffled))
                pairs.append((original, other))
        return pairs
    start, end = np.array([tokenizer.start_id]), np.array([tokenizer.end_id])
    marks = np.array([not any(map(str.isalnum, token)) for token in tokenizer.tokens])
    sentences = [sentence for sentence in _marked(tokenizer, ids) if np.count_nonzero(~marks[sentence]) >= WORDS]
    for sentence in _drawn(sentences, random):
        last = int(np.flatnonzero(~marks[sentence])[-1]) + 1
        if (shuffled_ids := _shuffled(sentence[:last].tolist(), random)) is not None:
            other = np.concatenate((start, shuffled_ids, sentence[last:], end))
            pairs.append((np.concatenate((start, sentence, end)), other))
    return pairs


def _marked(tokenizer: Tokenizer, ids: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    """The sentences of a split between `<s>` and `</s>`, without them."""
    stream = np.asarray(ids, dtype=np.int64)
    parts = np.split(stream, np.flatnonzero(stream == tokenizer.start_id))
    sentences = (part[(part != tokenizer.start_id) & (part != tokenizer.end_id)] for part in parts)
    return [sentence for sentence in sentences if len(sentence) <= LONGEST]


def _spaced(tokenizer: Tokenizer, ids: NDArray[np.integer]) -> list[str]:
    """The sentences of a split without `<s>`, a single space between two words; the torn ones at its ends are left."""
    text = tokenizer.decode(np.asarray(ids).tolist())
    found = [part.split() for some in pieces([text], rule("en", "punctuation")) for part in some]
    return [" ".join(words) for words in found[1:-1] if WORDS <= len(words) <= LONGEST]


def _without_closing(text: str) -> tuple[list[str], str]:
    """The words of a sentence without the marks that close it, and those marks."""
    *before, last = text.split()
    bare = _CLOSING.sub("", last)
    # Marks that stand by themselves after a space are a word like any other.
    return ([*before, bare], last[len(bare) :]) if bare else ([*before, last], "")


def _drawn(candidates: Sequence[Item], random: np.random.Generator) -> list[Item]:
    if len(candidates) <= SENTENCES:
        return list(candidates)
    return [candidates[index] for index in np.sort(random.choice(len(candidates), SENTENCES, replace=False))]


def _shuffled(words: list[Item], random: np.random.Generator) -> list[Item] | None:
    """The words in another order; None when there is no other."""
    if len(set(words)) < 2:
        return None
    while True:
        other = [words[index] for index in random.permutation(len(words))]
        if other != words:
            return other
