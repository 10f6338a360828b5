"""Writing text with a language model, one token at a time, the state carried along."""

from collections.abc import Iterator
from itertools import chain, islice
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import deadline
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language.beginning import beginning
from anamnesis.tasks.language.protocol import NextTokenModel, StateReader, Step, Stepper
from anamnesis.tasks.language.settings import Sampling

# Tokens of a prompt that are read at once.
PART = 256
# Lower temperatures draw the same tokens: a quotient by this one does not overflow yet.
COLDEST = 1e-290


def generate(
    model: NextTokenModel,
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
    """Continue a text. The prompt is read once, each new token once: a token costs the same however long the text is.

    With words, `</s>` is followed by the `<s>` of the next sentence, which does not count as generated. Neither `<s>`
    nor, unless `allow_unknown`, `<unk>` is ever drawn: their probability goes to the other tokens in proportion.

    Args:
        prompt: what the text starts with; what the vocabulary does not know is read as `<unk>`. When it is empty the
            model starts a sentence (words) or a line (all others); if the text it learned from has no lines, the first
            token is drawn evenly from the vocabulary, or is its first one with `greedy`.
        length: number of tokens to generate.
        temperature: divides the logarithms of the probabilities before a token is drawn.
        top_k: draw among this many likeliest tokens; None: all.
        greedy: take the likeliest token each time, whatever `temperature`, `top_k` and `seed` say.
        seed: of the generator of random numbers; the same seed writes the same text.
        noise: standard deviation of the normal numbers that a network's state starts from at each new text; 0: zeros.

    Returns:
        Pieces of the continuation, in all the text without the prompt; a character of several bytes is never split.

    Raises:
        AnamnesisError: a number is out of its range.
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
    if noise and not isinstance(model, StateReader):
        raise AnamnesisError(f"noise: found {noise}; a model of architecture {model.card['architecture']} has no state")
    tokenizer = model.tokenizer
    read = tokenizer.encode(prompt).astype(np.int64)
    special = (tokenizer.start_id, None if allow_unknown else tokenizer.unknown_id)
    allowed = np.delete(np.arange(tokenizer.vocabulary_size), [token for token in special if token is not None])
    if len(allowed) == 0:
        raise AnamnesisError("the vocabulary holds no token that could be generated")
    state = model.initial_state()
    if noise:
        drawn = np.random.default_rng((seed, 1))
        state = [
            tuple(part + np.float32(noise) * drawn.standard_normal(part.shape, np.float32) for part in layer)
            for layer in state
        ]
    generator = None if greedy else np.random.default_rng(seed)
    new = _tokens(model, state, read, length, allowed, temperature, top_k, generator)
    # The prompt goes through the decoder too: spaces and open quotation marks depend on what stands before.
    return islice(tokenizer.stream(chain(read.tolist(), new)), len(read), None)


def strategies(sampling: Sampling, seed: int) -> list[tuple[str, dict[str, Any]]]:
    """Names and arguments for `generate` of the ways of drawing tokens that an evaluation shows."""
    name = f"temperature {sampling.temperature:g}" + (f", top-k {sampling.top_k}" if sampling.top_k else "")
    return [
        ("greedy", {"greedy": True}),
        (name, {"temperature": sampling.temperature, "top_k": sampling.top_k, "seed": seed}),
        ("top-k 10", {"top_k": 10, "seed": seed}),
    ]


def samples(model: NextTokenModel, sampling: Sampling, seed: int) -> list[dict[str, str]]:
    """One text by each strategy, as `prompt`, `strategy` and `text`, the continuation."""
    return [
        {
            "prompt": sampling.prompt,
            "strategy": name,
            "text": "".join(generate(model, sampling.prompt, sampling.length, noise=sampling.noise, **arguments)),
        }
        for name, arguments in strategies(sampling, seed)
    ]


def _tokens(
    model: NextTokenModel,
    state: Any,
    read: NDArray[np.int64],
    length: int,
    allowed: NDArray[np.int64],
    temperature: float,
    top_k: int | None,
    generator: np.random.Generator | None,
) -> Iterator[int]:
    """`length` new ids after those of `read`, and `<s>` after each `</s>` among them; greedy without a generator."""
    tokenizer = model.tokenizer
    if len(read) == 0:
        first = beginning(tokenizer)
        if first is None:
            first = _draw(np.zeros(tokenizer.vocabulary_size), allowed, 1.0, None, generator)
            yield first
            length -= 1
        read = np.array([first])
    # A long prompt in parts: a distribution after each of its tokens at once could fill the memory.
    while len(read) > PART:
        deadline.check()
        _, state = model.predict(read[None, :PART], state)
        read = read[PART:]
    rows, state = model.predict(read[None], state)
    scores, step = rows[0, -1], _stepper(model, state)
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


def _stepper(model: NextTokenModel, state: Any) -> Step:
    if isinstance(model, Stepper):
        return model.stepper(state)

    def step(token: int) -> NDArray[np.floating]:
        nonlocal state
        rows, state = model.predict(np.array([[token]]), state)
        return rows[0, -1]

    return step


def _draw(
    scores: NDArray[np.floating],
    allowed: NDArray[np.int64],
    temperature: float,
    top_k: int | None,
    generator: np.random.Generator | None,
) -> int:
    """The id of one of the `allowed` tokens, drawn from log-probabilities (vocabulary,); the likeliest without a
    generator. Of equally likely tokens the first is preferred.

    Adding Gumbel noise and taking the largest draws from the softmax (Gumbel 1954): fewer passes than summing it up.
    """
    weights = scores[allowed].astype(np.float64)
    if generator is None:
        return int(allowed[weights.argmax()])
    noise = generator.gumbel(size=len(scores))[allowed]
    if top_k and top_k < len(weights):
        likeliest = np.sort(np.argsort(-weights, kind="stable")[:top_k])
        weights, noise, allowed = weights[likeliest], noise[likeliest], allowed[likeliest]
    # The largest weight becomes 0, so that no temperature, however low, makes all of them infinite.
    largest = weights.max()
    weights = (weights - largest) / max(temperature, COLDEST) if largest > -np.inf else np.zeros(len(weights))
    return int(allowed[(weights + noise).argmax()])
