"""Requests to served models of all tasks: limits, options, errors and the time limit.

A task's module `prediction` has the functions `example(card)` and `answer(model, texts, options)`.
"""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from anamnesis import deadline, tasks
from anamnesis.errors import AnamnesisError, suggest

# The tasks whose models are served.
SERVED = tuple(name for name in tasks.NAMES if name != "memory")
# Seconds that one request may take, and the environment variable that changes them.
TIME_LIMIT, TIME_LIMIT_VARIABLE = 30.0, "ANAMNESIS_TIME_LIMIT"
# Texts of one request.
MOST_TEXTS = 1_000
# Characters of one text, and of a file as base64.
LONGEST_TEXT, LONGEST_FILE = 100_000, 64_000_000
# The smallest and the largest value of each option.
LIMITS: dict[str, tuple[float, float]] = {
    "beam": (1, 100),
    "length": (1, 10_000),
    "seed": (0, 2**63 - 1),
    "steps": (1, 10_000),
    "temperature": (1e-6, 1e6),
    "top": (0, 100),
    "top_k": (0, 1_000_000),
}


def module(task: object) -> Any:
    """The module `prediction` of a task.

    Raises:
        AnamnesisError: there is no such task, or its models are not served.
    """
    if task not in SERVED:
        raise AnamnesisError(f"task: found {task!r}; allowed: {', '.join(SERVED)}")
    return tasks.part(str(task), "prediction")


def answer(
    task: Any,
    model: Any,
    texts: Sequence[str],
    options: Mapping[str, Any],
    is_stopping: Callable[[], bool] = lambda: False,
) -> list[str]:
    """The answers of a task's model to the texts of one request, within all limits.

    Args:
        task: the task's module `prediction`.
        model: what `models.load` returned.
        options: the options of the request; `task.example` shows their defaults.
        is_stopping: whether the process is shutting down; see `deadline.time_limit`.

    Raises:
        AnamnesisError: there are too many texts, a text or an option is not allowed, or the model cannot answer a text.
        TimeLimitError: the answers take longer than the time limit.
        StoppingError: the process is shutting down.
    """
    seconds = time_limit()
    if len(texts) > MOST_TEXTS:
        raise AnamnesisError(f"found {len(texts):,} texts; allowed: at most {MOST_TEXTS:,} in one request")
    longest = LONGEST_FILE if getattr(task, "FILES", False) else LONGEST_TEXT
    for number, text in enumerate(texts, start=1):
        if len(text) > longest:
            raise AnamnesisError(f"text {number}: found {len(text):,} characters; allowed: at most {longest:,}")
    with deadline.time_limit(seconds, is_stopping):
        deadline.check()
        answers: list[str] = task.answer(model, texts, options)
    return answers


def time_limit() -> float:
    """The seconds that one request may take.

    Raises:
        AnamnesisError: the environment variable ANAMNESIS_TIME_LIMIT is not a number above 0.
    """
    text = os.environ.get(TIME_LIMIT_VARIABLE, "")
    if not text:
        return TIME_LIMIT
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise AnamnesisError(f"{TIME_LIMIT_VARIABLE}: found {text!r}; allowed: a number of seconds above 0")
    return seconds


def allowed_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """A model's default options, each moved to the nearest allowed value."""
    numbers = {name: value for name, value in values.items() if name in LIMITS}
    return {**values, **{name: _nearest(value, *LIMITS[name]) for name, value in numbers.items()}}


def complete(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a request, with the defaults of options that it does not set.

    Args:
        options: the options of the request.
        defaults: the default of every option that the model has.

    Raises:
        AnamnesisError: the model has no such option, or a value is not allowed.
    """
    for name, value in options.items():
        if name not in defaults:
            known = suggest(name, list(defaults)) if defaults else "this model has no options"
            raise AnamnesisError(f"found the option {name!r}; {known}")
        _check(name, value, defaults[name])
    # Converts NumPy numbers to Python numbers.
    return {**defaults, **{name: type(defaults[name])(value) for name, value in options.items()}}


def limits(options: Mapping[str, Any]) -> dict[str, str]:
    """The allowed values of each option that is a number, as text."""
    return {name: _range(name) for name in options if name in LIMITS}


def place(answers: Mapping[int, str], texts: Sequence[str]) -> list[str]:
    """One answer for each text: the answer with the text's number, counted from 1, or an empty answer."""
    return [answers.get(number, "") for number in range(1, len(texts) + 1)]


def number_texts(texts: Sequence[str]) -> dict[int, str]:
    """The texts that are not only white space, by their numbers, counted from 1."""
    return {number: text for number, text in enumerate(texts, start=1) if text.strip()}


def ranking(ranked: Sequence[tuple[str, float]], top: int) -> str:
    """The most probable name, or with `top` a JSON object with that many names and their probabilities.

    Args:
        ranked: names with their probabilities, the most probable first.
        top: the number of names; 0: the most probable name as plain text.
    """
    if not top:
        return ranked[0][0]
    return json.dumps({name: round(probability, 6) for name, probability in ranked[:top]}, ensure_ascii=False)


def _check(name: str, value: Any, default: Any) -> None:
    found = repr(value)[:40]
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise AnamnesisError(f"{name}: found {found}; allowed: true or false")
        return
    least, most = LIMITS[name]
    fits, wanted = isinstance(value, Integral), "a whole number "
    if isinstance(default, float):
        fits, wanted = isinstance(value, Real), "a number "
    if isinstance(value, bool) or not fits:
        raise AnamnesisError(f"{name}: found {found}; allowed: {wanted}{_range(name)}")
    if not least <= value <= most:
        raise AnamnesisError(f"{name}: found {found}; allowed: {_range(name)}")


def _nearest(value: Any, least: float, most: float) -> Any:
    return type(value)(min(max(value, least), most))


def _range(name: str) -> str:
    least, most = (f"{number:,}" if isinstance(number, int) else f"{number:,.6g}" for number in LIMITS[name])
    return f"from {least} to {most}"
