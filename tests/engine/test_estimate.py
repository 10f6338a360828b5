"""The order in which stages start, and the estimated time of a run."""

import json

import pytest
import yaml

from anamnesis import files, params
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
  hello-small: &rnn {task: language, tokens: hello-characters, model: {architecture: rnn, hidden: 64},
                     training: {epochs: 2, learning_rate: 0.1}}
  hello-large: {<<: *rnn, training: {epochs: 9, learning_rate: 0.1}}
  hello-uniform: {task: language, tokens: hello-characters, model: {architecture: uniform}}
"""
SETTINGS = params.check(yaml.safe_load(CONTENT))
STATS = "data/tokens/hello-characters/stats.json"


def graph(*chains: str) -> list[Stage]:
    """Stages from chains such as "fetch@a train@x", in which each stage needs the one before it."""
    needs: dict[str, set[str]] = {}
    for names in map(str.split, chains):
        for before, name in zip([None, *names], names, strict=False):
            needs.setdefault(name, set()).update({before} - {None})
    return [Stage(name, frozenset(sources), f"sh {name}", False) for name, sources in needs.items()]


def test_one_slot_takes_the_shortest_chain_and_the_others_the_longest(tmp_path):
    stages = graph(
        "fetch@a train@hello-small evaluate@hello-small",
        "fetch@b train@hello-large evaluate@hello-large",
        "fetch@c train@hello-uniform evaluate@hello-uniform compare",
    )
    order = estimate.plan_order(stages, estimate.estimate_stages(stages, SETTINGS, tmp_path))
    for ready, running, slots, chosen in (
        ("fetch@a fetch@b fetch@c", "", 2, "fetch@c"),
        ("fetch@a fetch@b", "fetch@c", 2, "fetch@b"),
        # The slot for short chains is free again, and the nearest evaluation comes first.
        ("fetch@a train@hello-uniform", "fetch@b", 2, "train@hello-uniform"),
        ("fetch@a train@hello-large", "train@hello-uniform", 3, "train@hello-large"),
        # A single slot takes short chains only.
        ("fetch@a fetch@b", "", 1, "fetch@a"),
        ("compare", "", 2, "compare"),
    ):
        assert order.choose(ready.split(), running.split(), slots) == chosen


def test_of_equally_long_chains_the_one_nearest_to_an_evaluation_comes_first():
    stages = graph("fetch@a train@x evaluate@x", "fetch@b train@y evaluate@y")
    order = estimate.plan_order(stages, dict.fromkeys((stage.name for stage in stages), 5.0))
    assert order.choose(["fetch@b", "train@x"], [], 1) == "train@x"
    assert order.choose(["fetch@b", "train@y", "evaluate@x"], [], 2) == "evaluate@x"
    assert [order.shortest[name] for name in ("fetch@a", "train@x", "evaluate@x")] == [15, 10, 5]


def test_a_run_takes_as_long_as_its_longest_chain_or_as_all_stages_in_the_slots():
    seconds = {"fetch@a": 10.0, "train@x": 50.0, "train@y": 20.0}
    order = estimate.plan_order(graph("fetch@a train@x", "fetch@a train@y"), seconds)
    assert [estimate.estimate_run(seconds, order, slots) for slots in (1, 2, 9)] == [80, 60, 60]


def test_guess_is_proportional_to_the_tokens_of_the_text(tmp_path):
    before = estimate.guess_seconds("train@hello-small", SETTINGS, tmp_path)
    files.write_json(tmp_path / STATS, {"splits": {"train": {"tokens": 6_000_000}}, "vocabulary_size": 100})
    after = estimate.guess_seconds("train@hello-small", SETTINGS, tmp_path)
    assert after - 5 == pytest.approx(10 * (before - 5))


SPLITS = ("{}", '{"train": []}', '{"train": {"images": 9}}', '{"train": {"tokens": 9}}')


@pytest.mark.parametrize("stats", ["{", "[]", "{}", *(f'{{"splits": {each}}}' for each in SPLITS)])
def test_guess_without_usable_counts_of_tokens_is_a_constant(tmp_path, stats):
    files.write_text(tmp_path / STATS, stats)
    for name in ("small", "large"):
        assert estimate.guess_seconds(f"train@hello-{name}", SETTINGS, tmp_path) == estimate.SECONDS_WITHOUT_TOKENS


def test_durations_of_this_machine_replace_those_of_another(tmp_path):
    shipped = {"train@hello-small": 77.0, "train@hello-large": 88.0}
    files.write_text(tmp_path / "pipelines" / "durations.json", json.dumps(shipped))
    stages = graph("train@hello-small", "train@hello-large", "train@hello-uniform")
    estimate.save_durations(tmp_path, [Progress(stages[0], "done", 1234.5), Progress(stages[1], "cached", 0.3)])
    seconds = estimate.estimate_stages(stages, SETTINGS, tmp_path)
    assert seconds == {"train@hello-small": 1234.5, "train@hello-large": 88.0, "train@hello-uniform": 5.0}
