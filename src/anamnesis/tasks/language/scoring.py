"""The surprise of a language model at sentences, token by token and word by word."""

import re
from dataclasses import dataclass
from math import exp, fsum

import numpy as np

from anamnesis.data.text.leftovers import spelling
from anamnesis.data.tokenizers.base import END, Tokenizer
from anamnesis.data.tokenizers.words import Words
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language.model.language_model import LanguageModel
from anamnesis.tasks.language.model.scores import surprisals
from anamnesis.tasks.language.model.text import encode_sentence, is_target


@dataclass(frozen=True)
class SentenceScore:
    """The surprise of a model at one sentence.

    Attributes:
        tokens: the predicted tokens, as strings of the vocabulary.
        surprisals: -ln p of each token, given all tokens before it, in nats; of `<unk>` plus the price of its
            characters.
        unknown_tokens: number of `<unk>` among the tokens.
        words: each word with the sum of its tokens' surprisals. With a tokenizer of words, these are the tokens, `</s>`
            last; with others, words end at white space, which belongs to the word before it.
    """

    tokens: list[str]
    surprisals: list[float]
    unknown_tokens: int
    words: list[tuple[str, float]]

    @property
    def log_probability(self) -> float:
        """ln p of the sentence in nats, its unknown tokens spelled: minus the sum of the surprisals."""
        return -fsum(self.surprisals)

    @property
    def perplexity(self) -> float:
        """exp of the mean surprisal."""
        return exp(-self.log_probability / len(self.surprisals))


def score(model: LanguageModel, sentences: list[str]) -> list[SentenceScore]:
    """The scores of sentences, each read from the initial state.

    Words are predicted after `<s>`, and `</s>` after the last word. Other tokens are predicted after a line end; where
    the training text contains none, the first token is not predicted.

    An unknown token pays the price of its characters (`data.text.leftovers.spelling`), as in bits per character.
    Without it, a model would prefer words that it does not know.

    Raises:
        AnamnesisError: a sentence has no token to predict.
    """
    tokenizer = model.tokenizer
    texts = [encode_sentence(tokenizer, sentence) for sentence in sentences]
    for number, (sentence, ids) in enumerate(zip(sentences, texts, strict=True), start=1):
        if not sentence.strip() or not is_target(tokenizer, ids).any():
            raise AnamnesisError(f"sentence {number}: found {sentence!r}, which has no token to predict")
    ends = int(isinstance(tokenizer, Words))
    results = []
    for sentence, ids, surprises in zip(sentences, texts, surprisals(model, texts), strict=True):
        targets = is_target(tokenizer, ids)
        predicted = ids[1:][targets].tolist()
        lengths = [len(word) for word in _cut(tokenizer, sentence, predicted)]
        nats = [
            surprise + (spelling(length, ends, model.card["alphabet"]) if token == tokenizer.unknown_id else 0)
            for surprise, token, length in zip(surprises[targets].tolist(), predicted, lengths, strict=True)
        ]
        unknown = sum(token == tokenizer.unknown_id for token in predicted)
        words = _words(tokenizer, sentence, predicted, nats)
        results.append(SentenceScore([tokenizer.tokens[token] for token in predicted], nats, unknown, words))
    return results


def spelling_price(model: LanguageModel) -> float:
    """The price of one character of an unknown token in nats."""
    return spelling(1, 0, model.card["alphabet"])


def _cut(tokenizer: Tokenizer, sentence: str, predicted: list[int]) -> list[str]:
    """A text for each predicted token, which for `<unk>` has as many characters as the token."""
    if isinstance(tokenizer, Words):
        return [*tokenizer.cut(sentence), END]
    # In all other kinds, an unknown token is a single character.
    return ["?"] * len(predicted)


def _words(tokenizer: Tokenizer, sentence: str, predicted: list[int], nats: list[float]) -> list[tuple[str, float]]:
    """See `SentenceScore.words`."""
    if isinstance(tokenizer, Words):
        return list(zip(_cut(tokenizer, sentence, predicted), nats, strict=True))
    # The end of each token, counted from the sentence's end, because the first token may not be predicted.
    widths = [len(piece) for piece in tokenizer.stream(predicted)]
    ends = np.cumsum(widths[: len(predicted)]) + len(sentence) - sum(widths)
    matches = list(re.finditer(r"\S+", sentence))
    starts = np.array([match.start() for match in matches])
    sums = [0.0] * len(matches)
    touched = [False] * len(matches)
    for end, surprise in zip(ends.tolist(), nats, strict=True):
        # White space belongs to the word before it; a token of white space and letters to the word of the letters.
        index = max(int(np.searchsorted(starts, end)) - 1, 0)
        sums[index] += surprise
        touched[index] = True
    return [(match.group(), total) for match, total, has_token in zip(matches, sums, touched, strict=True) if has_token]
