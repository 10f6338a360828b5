"""The share of sentences that a model prefers to the same words in another order.

Up to `SENTENCES` sentences of `WORDS` to `LONGEST` words are drawn from a split, and the words of each are shuffled:

- With a tokenizer that has `<s>` and `</s>`, words are its tokens. With others, words are separated by white space, and
  a single space stands between two words in both versions.
- The punctuation at the end of a sentence keeps its place, because a full stop at the end says nothing about word
  order. Capital letters stay as they are.
- Each version is read from the initial state, and the model prefers the one with the larger probability. Equal ones
  count half, so that a model without word order scores 0.5.

The draw depends only on the split: all models of a token store judge the same pairs.
"""

import re
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.text.blocks import pieces
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.data.tokenizers.sentences import rule
from anamnesis.tasks.language.model.language_model import LanguageModel
from anamnesis.tasks.language.model.scores import surprisals
from anamnesis.tasks.language.model.text import encode_sentence, is_target

SENTENCES = 200
WORDS = 4
# With fewer pairs there is no result.
FEWEST = 10
# A longer sentence is a list or a page without a full stop, and as slow as ten others.
LONGEST = 80
SEED = 0
# Sums of the same numbers in another order differ by rounding.
TIE = 1e-6

Item = TypeVar("Item")
_CLOSING = re.compile(r"(?<![\W_])[\W_]++\Z")


def shuffle_preference(model: LanguageModel, ids: NDArray[np.integer]) -> float | None:
    """The share of sentences of a split (tokens,) that a model prefers to their shuffled words; None: too few."""
    pairs = shuffled_pairs(model.tokenizer, ids)
    if len(pairs) < FEWEST:
        return None
    texts = [text for pair in pairs for text in pair]
    nats = [
        float(surprisal[is_target(model.tokenizer, text)].sum())
        for text, surprisal in zip(texts, surprisals(model, texts), strict=True)
    ]
    return compute_preference(np.array(nats).reshape(-1, 2))


def compute_preference(nats: NDArray[np.float64]) -> float:
    """The share of pairs (pairs, 2) whose first number is smaller; equal ones, up to rounding, count half."""
    gain = nats[:, 1] - nats[:, 0]
    equal = np.abs(gain) <= TIE * nats.max(axis=1)
    return float(np.where(equal, 0.5, gain > 0).mean())


def shuffled_pairs(tokenizer: Tokenizer, ids: NDArray[np.integer]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """At most `SENTENCES` pairs of a sentence of a split (tokens,) and its shuffled words, in the order of the text."""
    random = np.random.default_rng(SEED)
    pairs = []
    if tokenizer.start_id is None:
        for text in _draw(_split_at_spaces(tokenizer, ids), random):
            words, closing = _without_closing(text)
            if (shuffled := _shuffle(words, random)) is not None:
                original, other = (
                    encode_sentence(tokenizer, " ".join(version) + closing) for version in (words, shuffled)
                )
                pairs.append((original, other))
        return pairs
    start, end = np.array([tokenizer.start_id]), np.array([tokenizer.end_id])
    marks = np.array([not any(map(str.isalnum, token)) for token in tokenizer.tokens])
    sentences = [
        sentence for sentence in _mark_sentences(tokenizer, ids) if np.count_nonzero(~marks[sentence]) >= WORDS
    ]
    for sentence in _draw(sentences, random):
        last = int(np.flatnonzero(~marks[sentence])[-1]) + 1
        if (shuffled_ids := _shuffle(sentence[:last].tolist(), random)) is not None:
            other = np.concatenate((start, shuffled_ids, sentence[last:], end))
            pairs.append((np.concatenate((start, sentence, end)), other))
    return pairs


def _mark_sentences(tokenizer: Tokenizer, ids: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    """The sentences of a split, without `<s>` and `</s>`."""
    stream = np.asarray(ids, dtype=np.int64)
    parts = np.split(stream, np.flatnonzero(stream == tokenizer.start_id))
    sentences = (part[(part != tokenizer.start_id) & (part != tokenizer.end_id)] for part in parts)
    return [sentence for sentence in sentences if len(sentence) <= LONGEST]


def _split_at_spaces(tokenizer: Tokenizer, ids: NDArray[np.integer]) -> list[str]:
    """The sentences of a split without `<s>`, a single space between two words."""
    text = tokenizer.decode(np.asarray(ids).tolist())
    sentences = [part.split() for parts in pieces([text], rule("en", "punctuation")) for part in parts]
    # The first and the last sentence may be incomplete.
    return [" ".join(words) for words in sentences[1:-1] if WORDS <= len(words) <= LONGEST]


def _without_closing(text: str) -> tuple[list[str], str]:
    """The words of a sentence without the punctuation at its end, and that punctuation."""
    *before, last = text.split()
    bare = _CLOSING.sub("", last)
    # Punctuation after a space is a word like any other.
    return ([*before, bare], last[len(bare) :]) if bare else ([*before, last], "")


def _draw(candidates: Sequence[Item], random: np.random.Generator) -> list[Item]:
    if len(candidates) <= SENTENCES:
        return list(candidates)
    return [candidates[index] for index in np.sort(random.choice(len(candidates), SENTENCES, replace=False))]


def _shuffle(words: list[Item], random: np.random.Generator) -> list[Item] | None:
    """The words in another order; None where they have only one."""
    if len(set(words)) < 2:
        return None
    while True:
        other = [words[index] for index in random.permutation(len(words))]
        if other != words:
            return other
