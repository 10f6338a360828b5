"""The best model of each task and corpus, and the promotion of a champion, among answers to one question."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from anamnesis import models, params
from anamnesis.errors import AnamnesisError
from anamnesis.tracking import journal, selection, store, sync
from anamnesis.tracking.promotion import promote


def select(root: Path) -> dict[str, tuple[str, float]]:
    entries = selection.select_best(params.load(root / "params.yaml"), root)["models"]
    return {entry["model"]: (entry["experiment"], entry["score"]) for entry in entries}


def edit_metrics(root: Path, name: str, **entries: object) -> None:
    path = root / "metrics" / f"{name}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_the_best_validation_score_of_each_corpus_wins(root, finish):
    finish("toy-a", valid=2.5, test=1.0)
    finish("toy-b", valid=2.25, test=9.0)
    # Of two equal scores the first name.
    finish("toy-c", valid=2.25, test=0.5)
    finish("other-a", valid=7.0)
    assert select(root) == {"language-other": ("other-a", 7.0), "language-toy": ("toy-b", 2.25)}


def test_missing_metrics_stale_metrics_and_a_missing_question_are_no_candidates(root, finish):
    finish("toy-a", valid=2.5)
    finish("toy-b", valid=1.0)
    edit_metrics(root, "toy-b", question=None)
    finish("toy-c", valid=1.0)
    stale = (root / "metrics" / "toy-c.json").read_text()
    finish("toy-c", valid=1.0, seed=2)
    (root / "metrics" / "toy-c.json").write_text(stale)
    assert select(root) == {"language-toy": ("toy-a", 2.5)}
    (root / "metrics" / "toy-b.json").unlink()
    assert select(root) == {"language-toy": ("toy-a", 2.5)}


def test_only_answers_to_one_question_compete_and_the_others_are_listed(root, finish):
    finish("toy-a", valid=2.5, asked="windows of 5")
    finish("toy-b", valid=1.0, asked="windows of 2")
    # With equally many entrants, the first question in params.yaml.
    assert select(root) == {"language-toy": ("toy-a", 2.5)}
    assert selection.select_best(params.load(root / "params.yaml"), root)["left_out"][0]["experiment"] == "toy-b"
    finish("toy-c", valid=2.0, asked="windows of 2")
    assert select(root) == {"language-toy": ("toy-b", 1.0)}


def test_seeds_compete_by_their_mean_and_the_best_seed_is_selected(root, finish):
    content = yaml.safe_load((root / "params.yaml").read_text())
    plain = content["experiments"]["toy-a"]
    content["experiments"]["toy-b"] = {**plain, "seed": 2}
    content["experiments"]["toy-c"] = {**plain, "model": {"architecture": "ngram", "order": 2}}
    (root / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    finish("toy-a", valid=3.0)
    finish("toy-b", valid=2.0, seed=2)
    # Better than the mean of the two seeds, 2.5, but not than the better one.
    finish("toy-c", valid=2.25)
    assert select(root) == {"language-toy": ("toy-c", 2.25)}
    finish("toy-c", valid=2.75)
    assert select(root) == {"language-toy": ("toy-b", 2.0)}


def change_task(root: Path, name: str, task: str, **scores: float) -> None:
    """Give a finished experiment another task and validation scores."""
    card, weights = models.read(root / "models" / name)
    tokenizer = (root / "models" / name / "tokenizer.json").read_bytes()
    entries = {key: value for key, value in card.items() if key != "fingerprint"}
    card = models.save(root / "models" / name, weights, {**entries, "task": task}, {"tokenizer.json": tokenizer})
    edit_metrics(root, name, fingerprint=card["fingerprint"], valid=scores)


def test_each_task_has_its_own_metric(root, finish):
    for name in ("toy-a", "toy-b", "toy-c", "other-a"):
        finish(name, valid=2.5)
    change_task(root, "toy-b", "classification", accuracy=0.4, bits_per_character=1.0)
    change_task(root, "toy-c", "classification", accuracy=0.6, bits_per_character=2.0)
    # Models of the task memory are ranked, but not registered.
    change_task(root, "other-a", "memory", memory_span=40.0)
    assert select(root) == {"language-toy": ("toy-a", 2.5), "classification-toy": ("toy-c", 0.6)}


def register(root: Path) -> None:
    sync.register(params.load(root / "params.yaml"), root)


def champion_tags(client: MlflowClient) -> dict[str, str]:
    return client.get_model_version_by_alias("language-toy", "champion").tags


@pytest.fixture
def register_rivals(root, finish):
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


def test_a_better_challenger_becomes_champion(root, register_rivals, client):
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
def test_a_challenger_that_is_not_better_needs_force_and_a_reason(root, register_rivals, client, empty_database, test):
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
def test_only_test_scores_of_one_question_are_compared(root, register_rivals, client, rival, message):
    register_rivals(**rival)
    challenger = client.get_model_version_by_alias("language-toy", "challenger")
    assert challenger.tags["anamnesis.experiment"] == "toy-b"
    with pytest.raises(AnamnesisError, match=message):
        promote("language-toy", root=root)
    assert champion_tags(client)["anamnesis.experiment"] == "toy-a"


@pytest.mark.parametrize("mark", ["\u2028", "\n", "\r"])
def test_line_ends_in_a_reason_do_not_break_the_journal(root, mark):
    reason = f"smaller{mark}and as good"
    for _ in range(2):
        journal.append(root, journal.new_entry("language-toy", {}, {"anamnesis.promoted.reason": reason}))
    assert [each["tags"]["anamnesis.promoted.reason"] for each in journal.read(root)] == [reason] * 2
