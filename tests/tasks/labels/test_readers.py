"""The task's stages go to the package for what an experiment reads."""

from collections.abc import Callable
from pathlib import Path

import pytest
from listener import Recorder

from anamnesis import models as folders
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.classification.settings import Experiment
from anamnesis.tasks.labels import evaluation, readers, saved, serving, train


@pytest.mark.parametrize("reads", readers.PACKAGES)
def test_every_package_is_there(reads: str) -> None:
    assert readers.module(reads, "settings").Experiment.model_fields["reads"].annotation.__args__ == (reads,)


def test_documents_go_through_all_stages(project: Path, experiment: Callable[..., Experiment]) -> None:
    train.train("mine", experiment({"architecture": "tfidf"}), project, Recorder())
    evaluation.evaluate("mine", experiment({"architecture": "tfidf"}), project)
    assert (project / "metrics" / "mine.json").exists()
    model = saved.load(project / "models" / "mine")
    texts, options = serving.example(model.card)
    assert serving.answer(model, texts, options) == [model.classify(texts)[0][0][0]]
    assert serving.answer(serving.load(project / "models" / "mine"), ["wheat", "oil"], {}) == ["grain", "crude"]


@pytest.mark.parametrize("found", ["papers", None, ["documents"]])
def test_what_nothing_reads_is_refused(tmp_path: Path, found: object) -> None:
    folders.save(tmp_path, {}, {"task": "classification", "reads": found}, {})
    with pytest.raises(AnamnesisError, match=r"model\.json: reads: found .*; allowed: documents, videos"):
        saved.load(tmp_path)
