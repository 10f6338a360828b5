"""What a user may type for a stage, in whichever section of params.yaml its experiment stands."""

import pytest

from anamnesis import params
from anamnesis.engine.targets import targets_of
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
    ("typed", "meant"),
    [
        (["a-lstm"], ["evaluate@a-lstm"]),
        (["a-tuned"], ["evaluate-dependent@a-tuned"]),
        (["train@a-tuned"], ["train-dependent@a-tuned"]),
        (["train-dependent@a-tuned"], ["train-dependent@a-tuned"]),
        (["train"], ["train@a-lstm", "train-dependent@a-tuned"]),
        (["compare", "a-lstm", "evaluate@a-lstm"], ["compare", "evaluate@a-lstm"]),
        (["a", "a-characters"], ["fetch@a", "tokenize@a-characters"]),
        (["mine", "fetch@mine", "fetch-own@mine"], ["fetch-own@mine"]),
        (["fetch"], ["fetch@a", "fetch-own@mine"]),
    ],
)
def test_names_become_stages_each_once(typed, meant):
    assert targets_of(typed, SETTINGS) == meant


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ParamsError, match=r"'a-lsmt'; did you mean 'a-lstm'\?"):
        targets_of(["a-lsmt"], SETTINGS)
    with pytest.raises(ParamsError, match="no stage or experiment is named 'train-dependent@a-lstm'"):
        targets_of(["train-dependent@a-lstm"], SETTINGS)
