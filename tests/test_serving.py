"""What the served models of all tasks have in common: options, limits, empty texts, the time limit."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_folders import MAKERS, load

from anamnesis import deadline, serving
from anamnesis.errors import AnamnesisError

# Answers are text that a model writes, or one of a ranking, of which `top` shows more.
RANKED = {"cloze", "passage", "documents", "videos"}
SERVED = sorted(set(MAKERS) - {"memory"})


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Any]]:
    """The module `serving` and a model of each kind."""
    root, found = tmp_path_factory.mktemp("models"), {}
    for name in SERVED:
        (root / name).mkdir()
        MAKERS[name](root / name)
        card = json.loads((Path(root) / name / "model.json").read_text())
        found[name] = serving.module(card["task"]), load(root / name)
    return found


@pytest.mark.parametrize("name", SERVED)
def test_every_model_answers_its_example_and_an_empty_text(models: dict[str, tuple[Any, Any]], name: str) -> None:
    task, model = models[name]
    texts, usual = task.example(model.card)
    (answer,) = serving.answer(task, model, texts, {})
    assert serving.answer(task, model, texts, usual) == [answer]
    assert serving.answer(task, model, [], {}) == []
    first, middle, last = serving.answer(task, model, [" ", texts[0], ""], {})
    assert middle == answer
    if name not in ("next_token", "ngram"):
        assert (first, last) == ("", "")


@pytest.mark.parametrize("name", sorted(RANKED))
def test_a_ranking_is_a_json_object(models: dict[str, tuple[Any, Any]], name: str) -> None:
    task, model = models[name]
    texts, _ = task.example(model.card)
    (best,), (several,) = (serving.answer(task, model, texts, {"top": top}) for top in (0, 2))
    ranking = json.loads(several)
    assert next(iter(ranking)) == best
    assert len(ranking) == 2
    first, second = ranking.values()
    assert 1 >= first >= second >= 0
    (everything,) = serving.answer(task, model, texts, {"top": 100})
    assert 2 <= len(json.loads(everything)) <= 100


@pytest.mark.parametrize("name", SERVED)
def test_every_option_has_bounds_and_no_other_is_taken(models: dict[str, tuple[Any, Any]], name: str) -> None:
    task, model = models[name]
    texts, usual = task.example(model.card)
    assert set(usual) - {"greedy"} == set(serving.limits(usual))
    for option in serving.limits(usual):
        least, most = serving.LIMITS[option]
        for value in (least - 1, most + 1, 10**400, None, "x", True, float("nan")):
            with pytest.raises(AnamnesisError, match=rf"^{option}: found .*; allowed: .*from") as refused:
                serving.answer(task, model, texts, {option: value})
            assert "\n" not in str(refused.value)
    with pytest.raises(AnamnesisError, match=r"^found the option 'nonsense'; allowed: "):
        serving.answer(task, model, texts, {"nonsense": 1})
    option = next(iter(usual))
    with pytest.raises(AnamnesisError, match=rf"^found the option '{option}x'; did you mean '{option}'\?"):
        serving.answer(task, model, texts, {f"{option}x": 1})


@pytest.mark.parametrize("name", SERVED)
def test_every_model_stops_at_the_time_limit_or_when_the_server_ends(
    models: dict[str, tuple[Any, Any]], name: str
) -> None:
    task, model = models[name]
    texts, _ = task.example(model.card)
    asked = 0

    def is_stopping() -> bool:
        nonlocal asked
        asked += 1
        return asked > 1

    # The first look comes before the model starts, so the model itself looked again.
    with pytest.raises(deadline.StoppingError):
        serving.answer(task, model, texts, {}, is_stopping)
    with pytest.raises(deadline.TimeLimitError, match="found no answer in 0 seconds"), deadline.time_limit(0):
        task.answer(model, texts, {})


def test_a_request_too_large_is_refused(models: dict[str, tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    task, model = models["next_token"]
    with pytest.raises(AnamnesisError, match=r"^found 1,001 texts; allowed: at most 1,000 in one request$"):
        serving.answer(task, model, ["a"] * 1_001, {})
    with pytest.raises(AnamnesisError, match=r"^text 2: found 100,001 characters; allowed: at most 100,000$"):
        serving.answer(task, model, ["a", "a" * 100_001], {})
    for text in ("0", "-1", "nan", "inf", "soon"):
        monkeypatch.setenv("ANAMNESIS_TIME_LIMIT", text)
        with pytest.raises(AnamnesisError, match=f"^ANAMNESIS_TIME_LIMIT: found '{text}'; allowed: a number of"):
            serving.time_limit()


def test_a_bad_text_is_named_by_its_place(models: dict[str, tuple[Any, Any]]) -> None:
    for name, text, said in (
        ("cloze", "no blank", "text 3: found 0 blanks; allowed: "),
        ("word_number", "zyx", "text 3: found 0 known words; the model reads 2"),
        ("forecast", "1, 2", "text 3: found 2 numbers; allowed: 4 or more"),
        ("videos", "x", "video 3: not a GIF file in base64"),
        ("captions", "x", "text 3: not an image file as base64"),
    ):
        task, model = models[name]
        (good,), _ = task.example(model.card)
        with pytest.raises(AnamnesisError) as refused:
            serving.answer(task, model, [good, "", text], {})
        assert str(refused.value).startswith(said)


@given(st.floats(allow_nan=False), st.integers())
def test_usual_options_are_moved_into_their_limits(temperature: float, length: int) -> None:
    found = serving.allowed_options({"temperature": temperature, "length": length, "greedy": True})
    assert serving.complete(found, {"temperature": 1.0, "length": 1, "greedy": False}) == found
    if 1 <= length <= 10_000:
        assert found["length"] == length
