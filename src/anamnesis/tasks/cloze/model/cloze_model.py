"""A model that fills blanks: word frequencies or a trained network, its guesses, and its scores."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import exp, fsum, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.metrics.targets import TargetScores, from_distributions, from_tensors
from anamnesis.tasks.cloze.model.blanks import NONE, Unknown, blank_places
from anamnesis.training.plan import perplexity

if TYPE_CHECKING:
    from anamnesis.tasks.cloze.model.network import ClozeNetwork

Predict = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]
Score = Callable[[list[NDArray[np.int64]], list[NDArray[np.int64]]], Iterator[TargetScores]]

BLANK = "____"
# A sentence must have more blanks than this to be shown: with fewer words there is nothing to guess from.
CONTEXT = 5
# Chooses the sentences to show, the same for all experiments.
SEED = 1
# Guesses to show.
TOP = 5
# Log-probabilities in memory at once, also in that of a GPU.
DISTRIBUTIONS, GPU_DISTRIBUTIONS = 2**21, 2**26
# Sentences in a batch on a GPU.
GPU_BATCH = 512


@dataclass(frozen=True, eq=False)
class ClozeModel:
    """A model of p(word at a place | the other words of its sentence, or the words before it).

    Attributes:
        card: the model's card.
        tokenizer: of the text that the model was trained on.
        candidates: for each token (vocabulary,) whether it can fill a blank.
        predict: given a sentence of ids (tokens,) from `<s>` to `</s>` and places (blanks,) in it, each from 1 to
            tokens - 2 and each the only blank of its own question, the natural logarithms of probabilities
            (blanks, vocabulary); -inf for tokens that are not candidates. The token at a place has no influence on
            its own prediction.
        score: given sentences and the places of the blanks in each, the scores of the words at all places, in any
            order; None: they are scored sentence by sentence.
    """

    card: dict[str, Any]
    tokenizer: Tokenizer
    candidates: NDArray[np.bool_]
    predict: Predict
    score: Score | None = None

    def guesses(self, log_probabilities: NDArray[np.float64], top: int) -> list[tuple[str, float]]:
        """The `top` most probable words of a distribution (vocabulary,), with their probabilities.

        Equally probable words are in the order of their ids.
        """
        words = np.flatnonzero(self.candidates)
        order = words[np.argsort(-log_probabilities[words], kind="stable")[:top]]
        return [(self.tokenizer.tokens[index], exp(log_probabilities[index])) for index in order]


def unigram(counts: NDArray[np.int64]) -> Predict:
    """Predictions of the words' frequencies, from their counts in the training split (vocabulary,)."""
    with np.errstate(divide="ignore"):
        log_probabilities: NDArray[np.float64] = np.log(counts / counts.sum())

    def predict(sentence: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.broadcast_to(log_probabilities, (len(places), len(log_probabilities)))

    return predict


def neural(network: "ClozeNetwork") -> Predict:
    """Predictions of a network in evaluation mode, on the network's device."""
    import torch

    from anamnesis.tasks.cloze.model.batches import Batch, collate

    def predict(sentence: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float64]:
        batch = Batch(*(part.to(network.answers.device) for part in collate([sentence], [places])))
        with torch.inference_mode():
            answers = network.log_probabilities(network(batch)).cpu().double().numpy()
        log_probabilities = np.full((len(places), len(network.numbers)), -np.inf)
        log_probabilities[:, network.answers.cpu().numpy()] = answers
        return log_probabilities

    return predict


def in_batches(network: "ClozeNetwork") -> Score:
    """Scores of a network in evaluation mode, on the network's device: many sentences of similar length at once."""
    import torch

    from anamnesis.tasks.cloze.model.batches import Batch, collate

    def score(sentences: list[NDArray[np.int64]], places: list[NDArray[np.int64]]) -> Iterator[TargetScores]:
        room = max(1, GPU_DISTRIBUTIONS // len(network.answers))
        order = [index for index in np.argsort([len(sentence) for sentence in sentences]) if len(places[index])]
        while order:
            blanks = np.cumsum([len(places[index]) for index in order[:GPU_BATCH]])
            group = order[: max(1, int(np.searchsorted(blanks, room, side="right")))]
            order = order[len(group) :]
            host = collate([sentences[index] for index in group], [places[index] for index in group])
            batch = Batch(*(part.to(network.answers.device) for part in host))
            with torch.inference_mode():
                words = network.numbers[batch.ids[batch.times, batch.columns]]
                yield from_tensors(network.log_probabilities(network(batch)), words)

    return score


def scores(model: ClozeModel, sentences: list[NDArray[np.int64]], unknown: Unknown = NONE) -> dict[str, float | int]:
    """Scores of a model over all blanks of sentences: each word is a blank once, and the other words are given.

    Args:
        sentences: each (tokens,), from `<s>` to `</s>`.
        unknown: the words of these sentences that the vocabulary lacks, which are blanks as well.

    Returns:
        perplexity of the blanks; accuracy and top5_accuracy, the shares of blanks whose word is the most probable, or
        among the five most probable (`targets.credit`), which an unknown word never is; blanks, how many there are;
        unknown_blanks, how many of them hide an unknown word. Not rounded.

    Raises:
        AnamnesisError: there is no blank, or the model gives the word of one no probability.
    """
    places = [blank_places(sentence, model.candidates) for sentence in sentences]
    parts = list((model.score or _one_by_one(model))(sentences, places))
    if not parts:
        raise AnamnesisError(f"found {len(sentences)} sentences, none of which has a known word to hide")
    known = sum(len(part.top1) for part in parts)
    blanks = known + unknown.words
    log_probability, top1, top5 = (fsum(np.concatenate(column).tolist()) for column in zip(*parts, strict=True))
    if not isfinite(log_probability):
        raise AnamnesisError("the model gives a word of the text no probability, or none that is a number")
    return {
        "perplexity": perplexity(unknown.total(-log_probability, known) / blanks),
        "accuracy": top1 / blanks,
        "top5_accuracy": top5 / blanks,
        "blanks": blanks,
        "unknown_blanks": unknown.words,
    }


def _one_by_one(model: ClozeModel) -> Score:
    room = max(1, DISTRIBUTIONS // len(model.candidates))

    def score(sentences: list[NDArray[np.int64]], places: list[NDArray[np.int64]]) -> Iterator[TargetScores]:
        for sentence, blanks in zip(sentences, places, strict=True):
            for first in range(0, len(blanks), room):
                part = blanks[first : first + room]
                yield from_distributions(model.predict(sentence, part), sentence[part])

    return score


@dataclass(frozen=True)
class Example:
    """A sentence with one blank: its `text`, the true `word`, the word's `probability`, and the `guesses`."""

    text: str
    word: str
    probability: float
    guesses: list[tuple[str, float]]


def examples(model: ClozeModel, sentences: list[NDArray[np.int64]], count: int) -> list[Example]:
    """Sentences with one blank each, and the model's guesses.

    Sentences and blanks depend on the text alone, so that the examples of all models of a token store are the same.
    Where there are enough sentences, the examples hold no `<unk>`.

    Args:
        sentences: each (tokens,), from `<s>` to `</s>`.
        count: the number of examples, at most.
    """
    tokenizer = model.tokenizer
    long = [sentence for sentence in sentences if len(blank_places(sentence, model.candidates)) > CONTEXT]
    known = [sentence for sentence in long if not (sentence == tokenizer.unknown_id).any()]
    pool = next((each for each in (known, long) if len(each) >= count), long or sentences)
    random = np.random.default_rng(SEED)
    result = []
    for index in sorted(random.permutation(len(pool))[:count].tolist()):
        sentence = pool[index]
        places = blank_places(sentence, model.candidates)
        if len(places) == 0:
            continue
        place = int(random.choice(places))
        distribution = model.predict(sentence, np.array([place]))[0]
        word = sentence[place]
        result.append(
            Example(
                _spell(tokenizer, sentence, place),
                tokenizer.tokens[word],
                exp(distribution[word]),
                model.guesses(distribution, TOP),
            )
        )
    return result


def _spell(tokenizer: Tokenizer, sentence: NDArray[np.int64], place: int) -> str:
    """A sentence as a text, with `____` for the token at `place`."""
    inside = sentence[1:-1].tolist()
    pieces = list(tokenizer.stream(inside))
    piece, word = pieces[place - 1], tokenizer.tokens[inside[place - 1]]
    pieces[place - 1] = piece[: len(piece) - len(word)] + BLANK
    return "".join(pieces)
