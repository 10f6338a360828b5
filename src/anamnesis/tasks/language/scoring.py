"""How surprising given sentences are to a model, token by token and word by word."""

import re
from dataclasses import dataclass
from math import exp, fsum, log
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.text.leftovers import spelling
from anamnesis.data.tokenizers.base import END
from anamnesis.data.tokenizers.words import Words
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language.beginning import beginning
from anamnesis.tasks.language.protocol import NextTokenModel
from anamnesis.tasks.language.reading import surprisals

if TYPE_CHECKING:
    from anamnesis.data.tokenizers.base import Tokenizer


@dataclass(frozen=True)
class SentenceScore:
    """What a model thinks of one sentence.

    Attributes:
        tokens: the tokens that were predicted, as strings of the vocabulary.
        surprisals: -ln p of each, given all before it, in nats; of `<unk>` also the price of its characters.
        unknown_tokens: how many of them are `<unk>`.
        words: each word and the sum of its tokens' surprisals, which together are all of them. Words are the tokens of
            a store of words, `</s>` last; elsewhere what white space separates, with the space that ends it.
    """

    tokens: list[str]
    surprisals: list[float]
    unknown_tokens: int
    words: list[tuple[str, float]]

    @property
    def log_probability(self) -> float:
        """Minus the sum of the surprisals: ln p of the sentence in nats, its unknown tokens spelled out."""
        return -fsum(self.surprisals)

    @property
    def perplexity(self) -> float:
        """exp of the mean surprisal; a model that guesses among n equally likely tokens has perplexity n."""
        return exp(-self.log_probability / len(self.surprisals))


def bits(nats: float) -> float:
    """Nats as bits."""
    return nats / log(2)


def score(model: NextTokenModel, sentences: list[str]) -> list[SentenceScore]:
    """Score each sentence by itself, from the initial state.

    A store of words scores every word and the end of the sentence, given `<s>`. Other stores have no such token: there
    a sentence is read as the start of a line, so its first token is predicted after a line end. Where the training
    text held no line end, the first token only serves to predict the others.

    An unknown token is spelled out at the price that it has in bits per character (`tokens.leftovers.spelling`).
    Without that price a model would prefer words that it does not know.

    Raises:
        AnamnesisError: a sentence holds nothing to predict.
    """
    tokenizer = model.tokenizer
    texts = [readable(tokenizer, sentence) for sentence in sentences]
    for number, (sentence, ids) in enumerate(zip(sentences, texts, strict=True), start=1):
        if not sentence.strip() or not counted(tokenizer, ids).any():
            raise AnamnesisError(f"sentence {number}: found {sentence!r}, which holds nothing to predict")
    characters, ends = alphabet(model), int(isinstance(tokenizer, Words))
    results = []
    for sentence, ids, surprises in zip(sentences, texts, surprisals(model, texts), strict=True):
        kept = counted(tokenizer, ids)
        predicted = ids[1:][kept].tolist()
        lengths = [len(word) for word in _cut(tokenizer, sentence, predicted)]
        nats = [
            surprise + (spelling(length, ends, characters) if token == tokenizer.unknown_id else 0)
            for surprise, token, length in zip(surprises[kept].tolist(), predicted, lengths, strict=True)
        ]
        unknown = sum(token == tokenizer.unknown_id for token in predicted)
        words = _words(tokenizer, sentence, predicted, nats)
        results.append(SentenceScore([tokenizer.tokens[token] for token in predicted], nats, unknown, words))
    return results


def readable(tokenizer: "Tokenizer", sentence: str) -> NDArray[np.int64]:
    """The ids of a sentence after that of what a text begins with, `<s>` or a line end, where there is such a token."""
    ids = tokenizer.encode_sentence(sentence).astype(np.int64)
    first = beginning(tokenizer)
    if first is None or ids[:1].tolist() == [tokenizer.start_id]:
        return ids
    return np.concatenate(([first], ids))


def counted(tokenizer: "Tokenizer", ids: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which of ids[1:] a model has to predict: all but `<s>`."""
    return np.full(max(len(ids) - 1, 0), True) if tokenizer.start_id is None else ids[1:] != tokenizer.start_id


def alphabet(model: NextTokenModel) -> int:
    """How many different characters the training text has; of a card that does not say so, those of its vocabulary."""
    known = model.card.get("alphabet")
    return known if isinstance(known, int) else max(1, len(set("".join(model.tokenizer.tokens))))


def _cut(tokenizer: "Tokenizer", sentence: str, predicted: list[int]) -> list[str]:
    """The text of each predicted token, as far as it matters for `<unk>`."""
    if isinstance(tokenizer, Words):
        return [*tokenizer.cut(sentence), END]
    # Of all other kinds, an unknown token is a single character.
    return ["?"] * len(predicted)


def _words(tokenizer: "Tokenizer", sentence: str, predicted: list[int], nats: list[float]) -> list[tuple[str, float]]:
    """See `SentenceScore.words`."""
    if isinstance(tokenizer, Words):
        return list(zip(_cut(tokenizer, sentence, predicted), nats, strict=True))
    # Where each token ends, counted from the end: all but perhaps the first are predicted.
    widths = [len(piece) for piece in tokenizer.stream(predicted)]
    ends = np.cumsum(widths[: len(predicted)]) + len(sentence) - sum(widths)
    matches = list(re.finditer(r"\S+", sentence))
    starts = np.array([match.start() for match in matches])
    sums = [0.0] * len(matches)
    touched = [False] * len(matches)
    for end, surprise in zip(ends.tolist(), nats, strict=True):
        # White space alone belongs to the word it ends, a token of both to the word whose letters it holds.
        index = max(int(np.searchsorted(starts, end)) - 1, 0)
        sums[index] += surprise
        touched[index] = True
    return [(match.group(), total) for match, total, told in zip(matches, sums, touched, strict=True) if told]
