"""The alias `champion` moves only to a better answer to the same question, or with a reason."""

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


def champion_tags(client: MlflowClient) -> dict[str, str]:
    return client.get_model_version_by_alias("language-toy", "champion").tags


@pytest.fixture
def register_rivals(root: Path, finish):
    """A function that registers toy-a as champion with test score 4.0, and toy-b as challenger."""

    def register_both(score: float | None, asked: str = "the whole text", **texts: str) -> None:
        finish("toy-a", valid=4.0, test=4.0)
        register(root)
        finish("toy-b", valid=3.0, test=score, texts=texts, asked=asked)
        if asked != "the whole text" or texts:
            # A question needs more entrants than the one before it in params.yaml.
            finish("toy-c", valid=3.5, test=score, texts=texts, asked=asked)
        register(root)

    return register_both


def test_a_better_challenger_becomes_champion(root: Path, register_rivals, client: MlflowClient) -> None:
    register_rivals(3.5)
    promotion = promote("language-toy", root=root)
    assert promotion.moved
    assert "from version 1 (toy-a) to version 2 (toy-b)" in str(promotion)
    tags = champion_tags(client)
    assert tags["anamnesis.experiment"] == "toy-b"
    expected = {"from": "1", "from_experiment": "toy-a", "from_score": "4.0", "score": "3.5", "forced": "false"}
    assert {key: tags[f"anamnesis.promoted.{key}"] for key in expected} == expected
    assert tags["anamnesis.promoted.at"].endswith("Z")
    # A second call changes nothing.
    again = promote("language-toy", root=root)
    assert not again.moved
    assert "already is champion" in str(again)
    assert champion_tags(client) == tags
    assert len(journal.read(root)) == 2
    with pytest.raises(AnamnesisError, match="did you mean 'language-toy'"):
        promote("language-toys", root=root)


@pytest.mark.parametrize("test", [4.0, 4.5])
def test_a_challenger_that_is_not_better_needs_force_and_a_reason(
    root: Path, register_rivals, client, empty_database: Path, test: float
) -> None:
    register_rivals(test)
    with pytest.raises(AnamnesisError, match=f"not better: test bits_per_character {test:g} against 4"):
        promote("language-toy", root=root)
    for reason in (None, "  "):
        with pytest.raises(AnamnesisError, match="--force needs a reason"):
            promote("language-toy", force=True, reason=reason, root=root)
    assert champion_tags(client)["anamnesis.experiment"] == "toy-a"
    assert promote("language-toy", force=True, reason="smaller", root=root).moved
    # The promotion survives a deleted database.
    register(root)
    shutil.copyfile(empty_database, root / "mlflow.db")
    sync.sync(root)
    tags = champion_tags(store.connect(root).client)
    promoted = tags["anamnesis.promoted.reason"], tags["anamnesis.promoted.forced"]
    assert (tags["anamnesis.experiment"], *promoted) == ("toy-b", "smaller", "true")


@pytest.mark.parametrize(
    ("rival", "message"),
    [
        (
            {"score": 1.0, "asked": "lower-cased words"},
            r"different questions \(challenger: lower-cased words; champion: the whole text\)",
        ),
        (
            {"score": 1.0, "test": "another text"},
            r"the whole text, digest .*; champion: the whole text, digest ",
        ),
        ({"score": None}, "a test score is missing"),
    ],
)
def test_only_test_scores_of_one_question_are_compared(root: Path, register_rivals, client, rival, message) -> None:
    register_rivals(**rival)
    challenger = client.get_model_version_by_alias("language-toy", "challenger")
    assert challenger.tags["anamnesis.experiment"] == "toy-b"
    with pytest.raises(AnamnesisError, match=message):
        promote("language-toy", root=root)
    assert champion_tags(client)["anamnesis.experiment"] == "toy-a"


@pytest.mark.parametrize("mark", ["\u2028", "\n", "\r"])
def test_line_ends_in_a_reason_do_not_break_the_journal(root: Path, mark: str) -> None:
    reason = f"smaller{mark}and as good"
    for _ in range(2):
        journal.append(root, journal.new_entry("language-toy", {}, {"anamnesis.promoted.reason": reason}))
    assert [each["tags"]["anamnesis.promoted.reason"] for each in journal.read(root)] == [reason] * 2
