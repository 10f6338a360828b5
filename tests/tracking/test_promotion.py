import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from anamnesis import params
from anamnesis.errors import AnamnesisError
from anamnesis.tracking import journal, store, sync
from anamnesis.tracking.promotion import promote


def register(root: Path) -> None:
    sync.register(params.load(root / "params.yaml"), root)


def champion(client: MlflowClient) -> str:
    return client.get_model_version_by_alias("language-toy", "champion").tags["anamnesis.experiment"]


@pytest.fixture
def rivals(root: Path, finish):
    """rivals(test, **data): toy-a is champion with test 4.0, toy-b challenges with this test score."""

    def make(score: float | None, asked: str = "the whole text", **data: str) -> None:
        finish("toy-a", valid=4.0, test=4.0)
        register(root)
        finish("toy-b", valid=3.0, test=score, texts=data, asked=asked)
        if asked != "the whole text":
            # Of two questions with as many entrants the first in params.yaml is registered, so the other needs more.
            finish("toy-c", valid=3.5, test=score, texts=data, asked=asked)
        register(root)

    return make


def test_a_better_challenger_becomes_champion(root: Path, rivals, client: MlflowClient) -> None:
    rivals(3.5)
    promotion = promote("language-toy", root=root)
    assert promotion.moved
    assert "from version 1 (toy-a) to version 2 (toy-b)" in str(promotion)
    tags = client.get_model_version_by_alias("language-toy", "champion").tags
    assert champion(client) == "toy-b"
    expected = {"from": "1", "from_experiment": "toy-a", "from_score": "4.0", "score": "3.5", "forced": "false"}
    assert {key: tags[f"anamnesis.promoted.{key}"] for key in expected} == expected
    assert tags["anamnesis.promoted.at"].endswith("Z")
    # Again: nothing moves, nothing is added.
    again = promote("language-toy", root=root)
    assert not again.moved
    assert "already is champion" in str(again)
    assert client.get_model_version_by_alias("language-toy", "champion").tags == tags
    assert len(journal.read(root)) == 2


@pytest.mark.parametrize("test", [4.0, 4.5])
def test_a_challenger_that_is_not_better_needs_force_and_a_reason(root: Path, rivals, client, test: float) -> None:
    rivals(test)
    with pytest.raises(AnamnesisError, match=f"not better: test bits_per_character {test:g} against 4"):
        promote("language-toy", root=root)
    for reason in (None, "", "  "):
        with pytest.raises(AnamnesisError, match="--force needs a reason"):
            promote("language-toy", force=True, reason=reason, root=root)
    assert champion(client) == "toy-a"
    assert promote("language-toy", force=True, reason="smaller", root=root).moved
    tags = client.get_model_version_by_alias("language-toy", "champion").tags
    assert (tags["anamnesis.promoted.reason"], tags["anamnesis.promoted.forced"]) == ("smaller", "true")


def test_a_challenger_that_was_asked_something_else_is_not_compared(root: Path, rivals, client: MlflowClient) -> None:
    rivals(1.0, asked="lower-cased words")
    assert client.get_model_version_by_alias("language-toy", "challenger").tags["anamnesis.experiment"] == "toy-b"
    line = r"different questions \(challenger: lower-cased words; champion: the whole text\)"
    with pytest.raises(AnamnesisError, match=line):
        promote("language-toy", root=root)
    assert champion(client) == "toy-a"


def test_a_champion_of_an_earlier_version_is_compared_once_its_result_says_what_it_was_asked(
    root: Path, rivals, client: MlflowClient
) -> None:
    rivals(3.5)
    for tag in ("anamnesis.question", "anamnesis.asked"):
        client.delete_model_version_tag("language-toy", "1", tag)
    with pytest.raises(AnamnesisError, match="what the champion was asked is not noted"):
        promote("language-toy", root=root)
    register(root)
    assert promote("language-toy", root=root).moved


def test_two_versions_of_a_text_are_not_compared(root: Path, finish, client: MlflowClient) -> None:
    finish("toy-a", valid=4.0, test=4.0)
    register(root)
    for name, valid in (("toy-b", 3.0), ("toy-c", 3.5)):
        finish(name, valid=valid, test=1.0, texts={"test": "another text"})
    register(root)
    with pytest.raises(AnamnesisError, match=r"the whole text, digest .*; champion: the whole text, digest "):
        promote("language-toy", root=root)
    assert champion(client) == "toy-a"


def test_a_missing_test_score_is_not_compared(root: Path, rivals, client: MlflowClient) -> None:
    rivals(None)
    with pytest.raises(AnamnesisError, match="a test score is missing"):
        promote("language-toy", root=root)
    assert champion(client) == "toy-a"


def test_a_promotion_survives_a_deleted_database(root: Path, rivals, empty_database: Path) -> None:
    rivals(4.5)
    promote("language-toy", force=True, reason="smaller", root=root)
    register(root)
    shutil.copyfile(empty_database, root / "mlflow.db")
    sync.sync(root)
    client = store.connect(root).client
    tags = client.get_model_version_by_alias("language-toy", "champion").tags
    assert (tags["anamnesis.experiment"], tags["anamnesis.promoted.reason"]) == ("toy-b", "smaller")


def test_unknown_models_suggest_the_nearest(root: Path, rivals) -> None:
    rivals(3.5)
    with pytest.raises(AnamnesisError, match="did you mean 'language-toy'"):
        promote("language-toys", root=root)


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\n", "\r"])
def test_line_ends_in_a_reason_do_not_break_the_journal(root: Path, rivals, mark: str) -> None:
    rivals(4.5)
    reason = f"smaller{mark}and as good"
    promote("language-toy", force=True, reason=reason, root=root)
    register(root)
    assert journal.read(root)[-1]["tags"]["anamnesis.promoted.reason"] == reason
    assert len(journal.path(root).read_text(encoding="utf-8").split("\n")) == 3
