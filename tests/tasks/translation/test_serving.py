"""What a registered translation model answers."""

from collections.abc import Callable
from pathlib import Path

import pytest
from listener import Recorder

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation import serving
from anamnesis.tasks.translation.settings import Experiment
from anamnesis.tasks.translation.train import train


@pytest.mark.parametrize("architecture", ["copy", "nearest", "seq2seq", "attention"])
def test_sentences_in_translations_out(project: Path, experiment: Callable[..., Experiment], architecture: str) -> None:
    network = architecture in ("seq2seq", "attention")
    once = {"training": {"epochs": 1, "learning_rate": 0.01}} if network else {}
    train("mine", experiment(architecture, **once), project, Recorder())
    model = serving.load(project / "models" / "mine")
    texts, options = serving.example(model.card)
    assert len(texts) == 1
    assert options == {"beam": 3}
    asked = [*texts, "the cat sees a dog.", ""]
    found = serving.answer(model, asked, {})
    assert found == [best[0].text for best in model.translate(asked, 3)]
    assert found[-1] == ""
    assert serving.answer(model, [], options) == []
    assert serving.answer(model, asked, {"beam": 1}) == [best[0].text for best in model.translate(asked, 1)]
    if network:
        with pytest.raises(AnamnesisError, match=r"^beam: found 0; allowed: "):
            serving.answer(model, asked, {"beam": 0})
        with pytest.raises(AnamnesisError, match=r"^text 1 has 2,001 tokens; allowed: at most 1,000"):
            serving.answer(model, ["cat " * 2000], {})
