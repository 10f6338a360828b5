"""The whole pipeline as a user meets it: the README's own example, by its real stages."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

pytestmark = pytest.mark.pipeline
REPOSITORY = Path(__file__).parents[2]
STAGES = {
    "fetch-own@mybook",
    "fetch-own@bench",
    "tokenize@mybook-characters",
    "tokenize@bench-words",
    *(f"{kind}@{name}" for kind in ("train", "evaluate") for name in ("mybook-lstm", "bench-uniform", "bench-ngram3")),
    "compare",
    "register",
}


def read(project, path):
    return json.loads((project.root / path).read_text())


def test_plain_dvc_gives_the_same_bytes_as_stages_side_by_side(make, finished):
    plain = make("plain")
    assert plain.repro() == STAGES
    one, other = finished.outputs(), plain.outputs()
    assert {path.split("/")[0] for path in one} == {"data", "models", "metrics", "predictions", "reports", "dvc.lock"}
    assert sorted(one) == sorted(other)
    assert [path for path in one if one[path] != other[path]] == []
    assert not [path for path, content in one.items() if str(finished.root).encode() in content]


def test_nothing_is_left_to_do_and_git_is_clean(finished):
    before = finished.outputs()
    assert "Data and pipelines are up to date." in finished.dvc("repro").stdout
    assert "Nothing to do" in finished.anamnesis("repro", "-j", "2").stdout
    assert finished.outputs() == before
    assert finished.git("status", "--porcelain") == ""
    # The user's texts and what names the results are versioned; the results are not.
    tracked = finished.git("ls-files").split()
    assert {"data/own/mybook/mybook.txt", "dvc.lock", "params.yaml"} <= set(tracked)
    assert not [path for path in tracked if path.startswith(("data/raw", "models", "metrics", "reports", "mlflow"))]


def test_ends_with_the_leaderboard_and_where_to_look(finished):
    for name in ("mybook-lstm", "bench-uniform", "bench-ngram3", "reports/index.html", "make ui"):
        assert name in finished.said


def test_own_splits_are_kept_and_own_text_is_cut(finished):
    own, raw = finished.root / "data" / "own", finished.root / "data" / "raw"
    for split in ("train", "valid", "test"):
        found, given = (folder / "bench" / f"{split}.txt" for folder in (raw, own))
        assert found.read_text().split() == given.read_text().split()
    parts = [(raw / "mybook" / f"{split}.txt").read_text() for split in ("train", "valid", "test")]
    assert "".join(parts).split() == (own / "mybook" / "mybook.txt").read_text().split()
    assert len(parts[0]) > 0.85 * sum(map(len, parts))


def test_metrics_have_the_documented_keys(finished):
    scores = {"perplexity", "bits_per_character", "accuracy", "top5_accuracy", "targets"}
    for name in ("mybook-lstm", "bench-uniform", "bench-ngram3"):
        metrics = read(finished, f"metrics/{name}.json")
        described = {"experiment", "task", "corpus", "tokens", "architecture", "parameters", "fingerprint", "data"}
        described |= {"vocabulary_size", "question", "evaluated_on"}
        assert metrics.keys() == described | {"valid", "test"}
        assert scores <= metrics["valid"].keys()
        assert scores <= metrics["test"].keys()
        assert (metrics["valid"].keys() | metrics["test"].keys()) <= scores | {"shuffle_preference", "context_tokens"}
        assert metrics["data"].keys() == {"valid", "test"}
        card = read(finished, f"models/{name}/model.json")
        assert all(
            metrics[key] == card[key] for key in described - {"data", "vocabulary_size", "question", "evaluated_on"}
        )
        assert metrics["evaluated_on"] == "cpu"
        stats = read(finished, f"data/tokens/{metrics['tokens']}/stats.json")
        for split in ("valid", "test"):
            assert metrics["data"][split] == stats["splits"][split]["text_sha256"]
            assert metrics[split]["targets"] == stats["splits"][split]["targets"]
    # `<s>` is never a target, so of the words in the vocabulary all others are equally likely.
    words = read(finished, "data/tokens/bench-words/stats.json")["vocabulary_size"]
    assert read(finished, "metrics/bench-uniform.json")["test"]["perplexity"] == words - 1
    # Two epochs on 27,000 characters are enough to beat chance by far.
    characters = read(finished, "data/tokens/mybook-characters/stats.json")["vocabulary_size"]
    assert read(finished, "metrics/mybook-lstm.json")["test"]["perplexity"] < characters / 2


def test_the_registered_model_is_chosen_on_validation_though_test_says_otherwise(finished):
    scores = {name: read(finished, f"metrics/bench-{name}.json") for name in ("uniform", "ngram3")}
    bits = {name: [each[split]["bits_per_character"] for split in ("valid", "test")] for name, each in scores.items()}
    assert bits["ngram3"][0] < bits["uniform"][0]
    assert bits["ngram3"][1] > bits["uniform"][1]
    models = {entry["model"]: entry for entry in read(finished, "reports/registry.json")["models"]}
    assert models.keys() == {"language-mybook", "language-bench"}
    assert models["language-bench"]["experiment"] == "bench-ngram3"
    assert models["language-bench"]["score"] == bits["ngram3"][0]
    database = sqlite3.connect(finished.root / "mlflow.db")
    try:
        aliases = database.execute("select name, alias, version from registered_model_aliases").fetchall()
        runs = database.execute("select name, status from runs where lifecycle_stage = 'active'").fetchall()
    finally:
        database.close()
    assert sorted(aliases) == [
        (f"language-{corpus}", alias, 1) for corpus in ("bench", "mybook") for alias in ("challenger", "champion")
    ]
    assert sorted(runs) == [(name, "FINISHED") for name in ("bench-ngram3", "bench-uniform", "mybook-lstm")]


def test_dvc_shows_metrics_and_plots(copied):
    shown = copied.dvc("metrics", "show", "--json").stdout
    assert all(f"metrics/{name}.json" in shown for name in ("mybook-lstm", "bench-uniform", "bench-ngram3"))
    assert str(read(copied, "metrics/mybook-lstm.json")["test"]["perplexity"]) in shown
    copied.dvc("plots", "show")
    page = (copied.root / "dvc_plots" / "index.html").read_text()
    assert "mybook-lstm" in page
    assert "Perplexity by epoch" in page
    assert copied.git("status", "--porcelain") == ""


def test_killed_twice_and_run_again_gives_the_same_bytes(finished, clone):
    clone.kill_training("mybook-lstm")
    clone.kill_training("mybook-lstm")
    clone.dvc("repro", "evaluate@mybook-lstm")
    before, after = finished.outputs(), clone.outputs()
    assert {"models/mybook-lstm/weights.safetensors", "metrics/mybook-lstm.json"} <= after.keys()
    assert [path for path in after if after[path] != before[path]] == []
    # The committed dvc.lock names the very files that were made here.
    assert clone.git("status", "--porcelain") == ""
    assert not (clone.root / ".anamnesis" / "checkpoints" / "mybook-lstm").exists()


def test_a_loss_that_is_no_number_fails_in_one_line_and_registers_nothing(copied):
    def diverge(content):
        content["experiments"]["mybook-diverging"] = {
            **content["experiments"]["mybook-lstm"],
            "training": {"epochs": 1, "optimizer": "sgd", "learning_rate": 1e38, "clip_norm": None},
        }

    copied.edit(diverge)
    done = copied.anamnesis("repro", "-j", "2", code=1)
    wrong = [line for line in done.stdout.splitlines() if line.startswith("error:")]
    assert len(wrong) == 1
    assert wrong[0].startswith("error: experiments.mybook-diverging: the training loss at step ")
    assert "no model was written. Lower training.learning_rate" in wrong[0]
    assert "1 of 14 stages failed: train@mybook-diverging" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (copied.root / "models" / "mybook-diverging").exists()
    assert [path.name for path in (copied.root / "models").iterdir() if "diverging" in path.name] == []
    copied.stage("register")
    assert "diverging" not in (copied.root / "reports" / "registry.json").read_text()
    database = sqlite3.connect(copied.root / "mlflow.db")
    try:
        (status,) = database.execute("select status from runs where name = 'mybook-diverging'").fetchone()
        sources = database.execute("select source, run_id from model_versions").fetchall()
        (run,) = database.execute("select run_uuid from runs where name = 'mybook-diverging'").fetchone()
    finally:
        database.close()
    assert status == "FAILED"
    assert run not in {each for _, each in sources}


def test_a_typo_is_one_line_before_anything_runs(copied):
    copied.edit(lambda content: content["experiments"]["mybook-lstm"]["model"].update(hiden=64))
    shutil.rmtree(copied.root / "models")
    said = "error: params.yaml: experiments.mybook-lstm.model.hiden: unknown key; did you mean 'hidden'?\n"
    assert said.replace("experiments.", "dependent.") in (REPOSITORY / "README.md").read_text()
    for done in (copied.stage("train", "mybook-lstm", code=2), copied.anamnesis("repro", code=2)):
        assert done.stdout == ""
        assert done.stderr == said
    assert not (copied.root / "models").exists()


def test_editing_a_text_runs_what_depends_on_it_and_nothing_else(copied):
    before = copied.outputs()
    book = copied.root / "data" / "own" / "mybook" / "mybook.txt"
    book.write_text("A preface, in which the reader is greeted.\n\n" + book.read_text())
    assert copied.repro() == {
        "fetch-own@mybook",
        "tokenize@mybook-characters",
        "train@mybook-lstm",
        "evaluate@mybook-lstm",
        "compare",
        "register",
    }
    after = copied.outputs()
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    assert [path for path in sorted(changed) if "bench" in path] == []
    assert {"models/mybook-lstm/weights.safetensors", "metrics/mybook-lstm.json", "reports/index.html"} <= changed
