"""The whole pipeline with the example of README.md: its results, and every way to run it again."""

import shutil
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


def test_plain_dvc_gives_the_same_bytes_as_stages_side_by_side(make, finished):
    plain = make("plain")
    assert plain.repro() == STAGES
    outputs, others = finished.outputs(), plain.outputs()
    folders = {"data", "models", "metrics", "predictions", "reports", "dvc.lock"}
    assert {path.split("/")[0] for path in outputs} == folders
    assert outputs.keys() == others.keys()
    assert [path for path in outputs if outputs[path] != others[path]] == []
    assert not [path for path, content in outputs.items() if str(finished.root).encode() in content]


def test_nothing_is_left_to_do_and_git_is_clean(finished):
    for text in ("mybook-lstm", "bench-uniform", "bench-ngram3", "reports/index.html", "make ui"):
        assert text in finished.printed
    before = finished.outputs()
    assert "Data and pipelines are up to date." in finished.dvc("repro").stdout
    assert "Nothing to do" in finished.anamnesis("repro", "-j", "2").stdout
    assert finished.outputs() == before
    assert finished.git("status", "--porcelain") == ""
    # Git tracks the user's texts, the settings and dvc.lock, but no results.
    tracked = finished.git("ls-files").split()
    assert {"data/own/mybook/mybook.txt", "dvc.lock", "params.yaml"} <= set(tracked)
    assert not [path for path in tracked if path.startswith(("data/raw", "models", "metrics", "reports", "mlflow"))]


def test_given_splits_are_kept(finished):
    for split in ("train", "valid", "test"):
        fetched, given = (finished.root / "data" / folder / "bench" / f"{split}.txt" for folder in ("raw", "own"))
        assert fetched.read_text().split() == given.read_text().split()


def test_metrics_agree_with_the_model_and_the_store_and_beat_chance(finished):
    described = {"experiment", "task", "corpus", "tokens", "architecture", "parameters", "fingerprint"}
    for name in ("mybook-lstm", "bench-uniform", "bench-ngram3"):
        metrics, card = finished.read(f"metrics/{name}.json"), finished.read(f"models/{name}/model.json")
        assert metrics.keys() == described | {"data", "vocabulary_size", "question", "evaluated_on", "valid", "test"}
        assert all(metrics[key] == card[key] for key in described)
        assert metrics["evaluated_on"] == "cpu"
        stats = finished.read(f"data/tokens/{metrics['tokens']}/stats.json")
        assert metrics["data"] == {split: stats["splits"][split]["text_sha256"] for split in ("valid", "test")}
        for split in ("valid", "test"):
            assert metrics[split]["targets"] == stats["splits"][split]["targets"]
    # `<s>` is never a target, and all other words of the vocabulary are equally likely.
    words = finished.read("data/tokens/bench-words/stats.json")["vocabulary_size"]
    assert finished.read("metrics/bench-uniform.json")["test"]["perplexity"] == words - 1
    # Two epochs on 27,000 characters suffice to be much better than chance.
    characters = finished.read("data/tokens/mybook-characters/stats.json")["vocabulary_size"]
    assert finished.read("metrics/mybook-lstm.json")["test"]["perplexity"] < characters / 2


def test_the_registered_model_is_chosen_on_validation_though_test_says_otherwise(finished):
    scores = {name: finished.read(f"metrics/bench-{name}.json") for name in ("uniform", "ngram3")}
    bits = {name: [each[split]["bits_per_character"] for split in ("valid", "test")] for name, each in scores.items()}
    assert bits["ngram3"][0] < bits["uniform"][0]
    assert bits["ngram3"][1] > bits["uniform"][1]
    models = {entry["model"]: entry for entry in finished.read("reports/registry.json")["models"]}
    assert models.keys() == {"language-mybook", "language-bench"}
    assert models["language-bench"]["experiment"] == "bench-ngram3"
    assert models["language-bench"]["score"] == bits["ngram3"][0]
    aliases = finished.query("select name, alias, version from registered_model_aliases")
    runs = finished.query("select name, status from runs where lifecycle_stage = 'active'")
    assert sorted(aliases) == [
        (f"language-{corpus}", alias, 1) for corpus in ("bench", "mybook") for alias in ("challenger", "champion")
    ]
    assert sorted(runs) == [(name, "FINISHED") for name in ("bench-ngram3", "bench-uniform", "mybook-lstm")]


def test_dvc_shows_metrics_and_plots(copied):
    shown = copied.dvc("metrics", "show", "--json").stdout
    assert all(f"metrics/{name}.json" in shown for name in ("mybook-lstm", "bench-uniform", "bench-ngram3"))
    assert str(copied.read("metrics/mybook-lstm.json")["test"]["perplexity"]) in shown
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
    # The files have the hashes in the committed dvc.lock.
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
    (error,) = [line for line in done.stdout.splitlines() if line.startswith("error:")]
    assert error.startswith("error: experiments.mybook-diverging: the training loss at step ")
    assert "no model was written. Lower training.learning_rate" in error
    assert "1 of 14 stages failed: train@mybook-diverging" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert [path.name for path in (copied.root / "models").iterdir() if "diverging" in path.name] == []
    copied.stage("register")
    assert "diverging" not in (copied.root / "reports" / "registry.json").read_text()
    ((run, status),) = copied.query("select run_uuid, status from runs where name = 'mybook-diverging'")
    assert status == "FAILED"
    assert (run,) not in copied.query("select run_id from model_versions")


def test_a_typo_is_one_line_before_anything_runs(copied):
    copied.edit(lambda content: content["experiments"]["mybook-lstm"]["model"].update(hiden=64))
    shutil.rmtree(copied.root / "models")
    line = "error: params.yaml: experiments.mybook-lstm.model.hiden: unknown key; did you mean 'hidden'?\n"
    assert line.replace("experiments.", "dependent.") in (REPOSITORY / "README.md").read_text()
    for done in (copied.stage("train", "mybook-lstm", code=2), copied.anamnesis("repro", code=2)):
        assert done.stdout == ""
        assert done.stderr == line
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
