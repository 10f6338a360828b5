"""Generating text with a language model, token by token."""

from collections.abc import Iterator
from itertools import chain, islice
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import deadline
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language.model.language_model import LanguageModel
from anamnesis.tasks.language.model.text import first_token
from anamnesis.tasks.language.settings import Sampling

# Tokens of a prompt that are read at once: the distributions after all tokens of a long prompt could fill the memory.
PART = 256
# Lower temperatures draw the same tokens, but a quotient by them could overflow.
COLDEST = 1e-290


def generate(
    model: LanguageModel,
    prompt: str = "",
    length: int = 200,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    greedy: bool = False,
    seed: int = 0,
    allow_unknown: bool = False,
    noise: float = 0.0,
) -> Iterator[str]:
    """The continuation of a prompt, in pieces that never split a character of several bytes.

    With words, `</s>` is followed by the `<s>` of the next sentence, which does not count as generated. `<s>` and,
    unless `allow_unknown`, `<unk>` are never drawn: their probability goes to the other tokens in proportion.

    Args:
        prompt: the start of the text. Where it is empty, the model starts a sentence (words) or a line (all others);
            if the training text has no lines, the first token is drawn evenly from the vocabulary, or is its first one
            with `greedy`.
        length: number of tokens to generate.
        temperature: divides the logits before a token is drawn.
        top_k: draw among this many most probable tokens; None: all.
        greedy: always take the most probable token, whatever `temperature`, `top_k` and `seed` are.
        seed: of the random numbers; the same seed generates the same text.
        noise: standard deviation of a network's initial state, drawn from a normal distribution; 0: the zero state.

    Raises:
        AnamnesisError: an argument is out of its range.
    """
    if not (isfinite(temperature) and temperature > 0):
        raise AnamnesisError(f"temperature: found {temperature}; allowed: a number above 0")
    if top_k is not None and top_k < 1:
        raise AnamnesisError(f"top_k: found {top_k}; allowed: 1 or more")
    if length < 1:
        raise AnamnesisError(f"length: found {length}; allowed: 1 or more")
    if seed < 0:
        raise AnamnesisError(f"seed: found {seed}; allowed: 0 or more")
    if not (isfinite(noise) and noise >= 0):
        raise AnamnesisError(f"noise: found {noise}; allowed: 0 or a number above")
    if noise and not model.recurrent:
        raise AnamnesisError(f"noise: found {noise}; allowed: 0, as the model is no network")
    tokenizer = model.tokenizer
    read = tokenizer.encode(prompt).astype(np.int64)
    special = (tokenizer.start_id, None if allow_unknown else tokenizer.unknown_id)
    allowed = np.delete(np.arange(tokenizer.vocabulary_size), [token for token in special if token is not None])
    if len(allowed) == 0:
        raise AnamnesisError("the vocabulary holds no token that could be generated")
    state = model.initial_state()
    if noise:
        random = np.random.default_rng((seed, 1))
        state = [
            tuple(part + np.float32(noise) * random.standard_normal(part.shape, np.float32) for part in layer)
            for layer in state
        ]
    generator = None if greedy else np.random.default_rng(seed)
    new = _tokens(model, state, read, length, allowed, temperature, top_k, generator)
    # The prompt is decoded too, because spaces and quotation marks depend on the text before them.
    return islice(tokenizer.stream(chain(read.tolist(), new)), len(read), None)


def sample(model: LanguageModel, sampling: Sampling, seed: int) -> str:
    """The prompt of the `sampling` block and its continuation."""
    pieces = generate(
        model,
        sampling.prompt,
        sampling.length,
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        noise=sampling.noise,
        seed=seed,
    )
    return sampling.prompt + "".join(pieces)


def _tokens(
    model: LanguageModel,
    state: Any,
    read: NDArray[np.int64],
    length: int,
    allowed: NDArray[np.int64],
    temperature: float,
    top_k: int | None,
    generator: np.random.Generator | None,
) -> Iterator[int]:
    """`length` new ids after `read`, and `<s>` after each new `</s>`; None as generator: greedy."""
    tokenizer = model.tokenizer
    if len(read) == 0:
        first = first_token(tokenizer)
        if first is None:
            first = _draw(np.zeros(tokenizer.vocabulary_size), allowed, 1.0, None, generator)
            yield first
            length -= 1
        read = np.array([first])
    while len(read) > PART:
        deadline.check()
        _, state = model.predict(read[None, :PART], state)
        read = read[PART:]
    rows, state = model.predict(read[None], state)
    scores, step = rows[0, -1], model.stepper(state)
    for left in reversed(range(length)):
        deadline.check()
        token = _draw(scores, allowed, temperature, top_k, generator)
        yield token
        if token == tokenizer.end_id and tokenizer.start_id is not None:
            yield tokenizer.start_id
            if left:
                step(token)
                scores = step(tokenizer.start_id)
        elif left:
            scores = step(token)


def _draw(
    scores: NDArray[np.floating],
    allowed: NDArray[np.int64],
    temperature: float,
    top_k: int | None,
    generator: np.random.Generator | None,
) -> int:
    """The id of one of the `allowed` tokens, drawn from logits (vocabulary,); without a generator the most probable.

    The largest of the logits plus Gumbel noise is a draw from their softmax (Gumbel 1954).
    """
    weights = scores[allowed].astype(np.float64)
    if generator is None:
        return int(allowed[weights.argmax()])
    noise = generator.gumbel(size=len(scores))[allowed]
    if top_k and top_k < len(weights):
        top = np.sort(np.argsort(-weights, kind="stable")[:top_k])
        weights, noise, allowed = weights[top], noise[top], allowed[top]
    # The largest weight becomes 0, so that no low temperature makes all of them infinite.
    largest = weights.max()
    weights = (weights - largest) / max(temperature, COLDEST) if largest > -np.inf else np.zeros(len(weights))
    return int(allowed[(weights + noise).argmax()])
