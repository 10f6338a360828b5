"""How surprising given sentences are to a model, token by token."""

from dataclasses import dataclass
from math import exp, fsum, log

import numpy as np

from anamnesis.errors import AnamnesisError
from anamnesis.language.beginning import beginning
from anamnesis.language.evaluation import target_scores
from anamnesis.language.protocol import NextTokenModel


@dataclass(frozen=True)
class SentenceScore:
    """What a model thinks of one sentence.

    Attributes:
        tokens: the tokens that were predicted, as strings of the vocabulary.
        surprisals: -ln p of each, given all before it, in nats.
        unknown_tokens: how many of them are `<unk>`.
    """

    tokens: list[str]
    surprisals: list[float]
    unknown_tokens: int

    @property
    def log_probability(self) -> float:
        """ln p of the sentence: minus the sum of the surprisals, in nats."""
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

    Raises:
        AnamnesisError: a sentence holds nothing to predict.
    """
    return [_score(model, sentence, number) for number, sentence in enumerate(sentences, start=1)]


def _score(model: NextTokenModel, sentence: str, number: int) -> SentenceScore:
    tokenizer = model.tokenizer
    ids = tokenizer.encode_sentence(sentence)
    first = beginning(tokenizer)
    if first is not None and ids[:1].tolist() != [tokenizer.start_id]:
        ids = np.concatenate(([first], ids))
    targets = ids[1:]
    counted = targets != tokenizer.start_id if tokenizer.start_id is not None else np.ones(len(targets), bool)
    if not sentence.strip() or not counted.any():
        raise AnamnesisError(f"sentence {number}: found {sentence!r}, which holds nothing to predict")
    surprisals = -np.concatenate([part.log_probabilities for part in target_scores(model, ids)])[counted]
    predicted = targets[counted].tolist()
    unknown = sum(token == tokenizer.unknown_id for token in predicted)
    return SentenceScore([tokenizer.tokens[token] for token in predicted], surprisals.tolist(), unknown)
