"""The order of the start: the longest chain first."""

import json

import pytest
import yaml

from anamnesis import params
from anamnesis.repro import estimate
from anamnesis.repro.graph import Stage
from anamnesis.repro.scheduler import Progress

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
    return [Stage(name, frozenset(sources), False) for name, sources in needs.items()]


def test_longer_training_first_and_what_leads_to_it(tmp_path, settings):
    graph = stages(["fetch@a", "train@hello-small"], ["fetch@b", "train@hello-large"], ["train@hello-uniform"])
    priority = estimate.priorities(graph, settings, tmp_path)
    order = sorted((stage.name for stage in graph), key=priority, reverse=True)
    assert order == ["fetch@b", "train@hello-large", "fetch@a", "train@hello-small", "train@hello-uniform"]


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


def test_what_it_took_last_time_counts_for_more(tmp_path, settings):
    graph = stages(["train@hello-small"], ["train@hello-large"])
    ran = Progress(graph[0], "done", 1234.5)
    restored = Progress(graph[1], "cached", 0.3)
    estimate.keep(tmp_path, [ran, restored])
    priority = estimate.priorities(graph, settings, tmp_path)
    assert priority("train@hello-small") == 1234.5
    assert 5 < priority("train@hello-large") < 1234.5
