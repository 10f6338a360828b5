"""The best model of each task and corpus, among answers to the same question."""

import json
from pathlib import Path

import yaml

from anamnesis import models, params
from anamnesis.tracking import selection


def select(root: Path) -> dict[str, tuple[str, float]]:
    entries = selection.select_best(params.load(root / "params.yaml"), root)["models"]
    return {entry["model"]: (entry["experiment"], entry["score"]) for entry in entries}


def edit_metrics(root: Path, name: str, **entries: object) -> None:
    path = root / "metrics" / f"{name}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_the_best_validation_score_of_each_corpus_wins(root: Path, finish) -> None:
    finish("toy-a", valid=2.5, test=1.0)
    finish("toy-b", valid=2.25, test=9.0)
    # Of two equal scores the first name.
    finish("toy-c", valid=2.25, test=0.5)
    finish("other-a", valid=7.0)
    assert select(root) == {"language-other": ("other-a", 7.0), "language-toy": ("toy-b", 2.25)}


def test_missing_metrics_stale_metrics_and_a_missing_question_are_no_candidates(root: Path, finish) -> None:
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


def test_only_answers_to_one_question_compete_and_the_others_are_listed(root: Path, finish) -> None:
    finish("toy-a", valid=2.5, asked="windows of 5")
    finish("toy-b", valid=1.0, asked="windows of 2")
    # With equally many entrants, the first question in params.yaml.
    assert select(root) == {"language-toy": ("toy-a", 2.5)}
    assert selection.select_best(params.load(root / "params.yaml"), root)["left_out"][0]["experiment"] == "toy-b"
    finish("toy-c", valid=2.0, asked="windows of 2")
    assert select(root) == {"language-toy": ("toy-b", 1.0)}


def test_seeds_compete_by_their_mean_and_the_best_seed_is_selected(root: Path, finish) -> None:
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


def test_each_task_has_its_own_metric(root: Path, finish) -> None:
    for name in ("toy-a", "toy-b", "toy-c", "other-a"):
        finish(name, valid=2.5)
    change_task(root, "toy-b", "classification", accuracy=0.4, bits_per_character=1.0)
    change_task(root, "toy-c", "classification", accuracy=0.6, bits_per_character=2.0)
    # Models of the task memory are ranked, but not registered.
    change_task(root, "other-a", "memory", memory_span=40.0)
    assert select(root) == {"language-toy": ("toy-a", 2.5), "classification-toy": ("toy-c", 0.6)}
