"""The names that a user may type for stages and experiments, in whichever section an experiment stands."""

import pytest

from anamnesis import params
from anamnesis.engine.targets import resolve_targets
from anamnesis.errors import ParamsError

LSTM = {"architecture": "lstm", "hidden": 4}
ENTRY = {"task": "language", "tokens": "a-characters", "model": LSTM, "training": {"epochs": 1, "learning_rate": 0.1}}
SETTINGS = params.check(
    {
        "profile": "laptop",
        "corpora": {"a": {"reader": "text", "source": {"kind": "literal", "text": "abc", "same": True}}},
        "own_corpora": {"mine": {"reader": "text", "source": {"kind": "file", "path": "a.txt"}}},
        "tokens": {"a-characters": {"corpus": "a", "kind": "characters"}},
        "experiments": {"a-lstm": ENTRY},
        "dependent": {"a-tuned": ENTRY | {"needs": "models/a-lstm"}},
    }
)


@pytest.mark.parametrize(
    ("names", "stages"),
    [
        (["a-lstm"], ["evaluate@a-lstm"]),
        (["a-tuned"], ["evaluate-dependent@a-tuned"]),
        (["train@a-tuned", "train-dependent@a-tuned"], ["train-dependent@a-tuned"]),
        (["train"], ["train@a-lstm", "train-dependent@a-tuned"]),
        (["compare", "a-lstm", "evaluate@a-lstm"], ["compare", "evaluate@a-lstm"]),
        (["a", "a-characters"], ["fetch@a", "tokenize@a-characters"]),
        (["mine", "fetch@mine", "fetch-own@mine"], ["fetch-own@mine"]),
        (["fetch"], ["fetch@a", "fetch-own@mine"]),
    ],
)
def test_names_resolve_to_stages_without_repetition(names, stages):
    assert resolve_targets(names, SETTINGS) == stages


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a-lsmt", r"no stage or experiment is named 'a-lsmt'; did you mean 'a-lstm'\?"),
        ("train-dependent@a-lstm", "no stage or experiment is named 'train-dependent@a-lstm'"),
    ],
)
def test_unknown_name_is_refused_with_the_nearest_name(name, message):
    with pytest.raises(ParamsError, match=message):
        resolve_targets([name], SETTINGS)
