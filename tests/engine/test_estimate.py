"""How long a run takes, and the order in which stages start."""

import json

import pytest
import yaml

from anamnesis import params
from anamnesis.engine import estimate
from anamnesis.engine.executor import Stage
from anamnesis.engine.scheduler import Progress

CONTENT = """
profile: laptop
corpora:
  hello: {reader: text, source: {kind: literal, text: hello, same: true}}
tokens:
  hello-characters: {corpus: hello, kind: characters}
experiments:
  hello-small: {task: language, tokens: hello-characters, model: {architecture: rnn, hidden: 64},
                training: {epochs: 2, learning_rate: 0.1}}
  hello-large: {task: language, tokens: hello-characters, model: {architecture: rnn, hidden: 64},
                training: {epochs: 9, learning_rate: 0.1}}
  hello-uniform: {task: language, tokens: hello-characters, model: {architecture: uniform}}
"""


@pytest.fixture
def settings():
    return params.check(yaml.safe_load(CONTENT))


def stages(*chains: list[str]) -> list[Stage]:
    needs: dict[str, set[str]] = {}
    for chain in chains:
        for before, name in zip([None, *chain], chain, strict=False):
            needs.setdefault(name, set()).update({before} - {None})
    return [Stage(name, frozenset(sources), f"sh {name}", False) for name, sources in needs.items()]


def test_one_slot_takes_the_quickest_chain_and_the_others_the_longest(tmp_path, settings):
    graph = stages(
        ["fetch@a", "train@hello-small", "evaluate@hello-small"],
        ["fetch@b", "train@hello-large", "evaluate@hello-large"],
        ["fetch@c", "train@hello-uniform", "evaluate@hello-uniform", "compare"],
    )
    order = estimate.order(graph, estimate.estimate(graph, settings, tmp_path))
    assert order.choose(["fetch@a", "fetch@b", "fetch@c"], [], 2) == "fetch@c"
    assert order.choose(["fetch@a", "fetch@b"], ["fetch@c"], 2) == "fetch@b"
    # The quick slot is free again: an evaluation that is near comes before everything else.
    assert order.choose(["fetch@a", "train@hello-uniform"], ["fetch@b"], 2) == "train@hello-uniform"
    assert order.choose(["fetch@a", "train@hello-large"], ["train@hello-uniform"], 3) == "train@hello-large"
    # One slot alone never makes anybody wait for the longest.
    assert order.choose(["fetch@a", "fetch@b"], [], 1) == "fetch@a"
    assert order.choose(["compare"], [], 2) == "compare"


def test_what_is_nearest_to_an_evaluation_comes_first_though_all_take_as_long():
    graph = stages(["fetch@a", "train@x", "evaluate@x"], ["fetch@b", "train@y", "evaluate@y"])
    order = estimate.order(graph, dict.fromkeys((stage.name for stage in graph), 5.0))
    assert order.choose(["fetch@b", "train@x"], [], 1) == "train@x"
    assert order.choose(["fetch@b", "train@y", "evaluate@x"], [], 2) == "evaluate@x"
    assert (order.first["fetch@a"], order.first["train@x"], order.first["evaluate@x"]) == (15, 10, 5)


def test_a_run_takes_as_long_as_its_longest_chain_or_the_slots_take(tmp_path):
    graph = stages(["fetch@a", "train@x"], ["fetch@a", "train@y"])
    seconds = {"fetch@a": 10.0, "train@x": 50.0, "train@y": 20.0}
    order = estimate.order(graph, seconds)
    assert estimate.total(seconds, order, 1) == 80
    assert estimate.total(seconds, order, 2) == 60
    assert estimate.total(seconds, order, 9) == 60


def test_guess_grows_with_the_text_once_it_is_tokenized(tmp_path, settings):
    before = estimate.guess("train@hello-small", settings, tmp_path)
    folder = tmp_path / "data" / "tokens" / "hello-characters"
    folder.mkdir(parents=True)
    statistics = {"splits": {"train": {"tokens": 6_000_000}}, "vocabulary_size": 100}
    (folder / "stats.json").write_text(json.dumps(statistics))
    assert estimate.guess("train@hello-small", settings, tmp_path) - 5 == pytest.approx(10 * (before - 5))


def test_networks_that_read_no_tokens_are_guessed_alike(tmp_path, settings):
    folder = tmp_path / "data" / "tokens" / "hello-characters"
    folder.mkdir(parents=True)
    (folder / "stats.json").write_text(json.dumps({"splits": {"train": {"images": 1259}}}))
    longer, shorter = (estimate.guess(f"train@hello-{name}", settings, tmp_path) for name in ("large", "small"))
    assert longer == shorter == estimate.SECONDS_WITHOUT_TOKENS


def test_what_it_took_here_counts_more_than_what_it_took_elsewhere(tmp_path, settings):
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "durations.json").write_text(
        json.dumps({"train@hello-small": 77.0, "train@hello-large": 88.0})
    )
    graph = stages(["train@hello-small"], ["train@hello-large"], ["train@hello-uniform"])
    ran = Progress(graph[0], "done", 1234.5)
    restored = Progress(graph[1], "cached", 0.3)
    estimate.keep(tmp_path, [ran, restored])
    seconds = estimate.estimate(graph, settings, tmp_path)
    assert seconds == {"train@hello-small": 1234.5, "train@hello-large": 88.0, "train@hello-uniform": 5.0}


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"splits": {}}', '{"splits": {"train": []}}', '{"splits": {"train": {"tokens": 9}}}']
)
def test_guess_of_damaged_counts(tmp_path, settings, content):
    folder = tmp_path / "data" / "tokens" / "hello-characters"
    folder.mkdir(parents=True)
    (folder / "stats.json").write_text(content)
    assert estimate.guess("train@hello-small", settings, tmp_path) == estimate.SECONDS_WITHOUT_TOKENS
