"""The page of the textbooks: their claims beside our scores, from the files of one folder alone."""

import json
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from settings_files import write_settings

from anamnesis import models as saved
from anamnesis import params
from anamnesis.report.claims import Claims

from .conftest import LANGUAGE, write

ROOT = Path(__file__).parents[2]
SCRIPT = SimpleNamespace(**runpy.run_path(str(ROOT / "scripts" / "results_page.py")))
CLAIMS = Claims.model_validate(
    {
        "sources": {"a": {"title": "A book", "chapter": "3"}, "b": {"title": "Another"}},
        "claims": [
            {
                "experiments": ["sherlock-rnn*"],
                "claim": "better than chance",
                "source": "a",
                "metrics": ["perplexity"],
            },
            {
                "experiments": ["novel-lstm"],
                "claim": "78 %",
                "source": "b",
                "first_epoch": True,
                "tokens": ["novel-w*"],
            },
        ],
    }
)
BITS = {1: (2.25, 2.27), 2: (2.35, 2.39), 3: (2.30, 2.30)}


def trained(root, name, epochs, seconds=None, history=""):
    """The card, history and timings that a training of so many epochs leaves."""
    entry = params.load(root / "params.yaml").experiments[name].model_dump(mode="json")
    entry["training"]["epochs"] = epochs
    card_keys = {"experiment": name, "corpus": "sherlock", "inputs": "", **entry}
    card = saved.store(root, name, {}, card_keys, {})
    (root / "models" / name / "history.csv").write_text(history)
    path = root / "metrics" / f"{name}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fingerprint": card["fingerprint"]}))
    if seconds is not None:
        saved.keep_timings(root, name, card, seconds=seconds, cpu_seconds=seconds / 2)


@pytest.fixture
def folder(tmp_path):
    """Results of the profile `seed`: sherlock-rnn with three seeds, sherlock-gru not run."""
    names = {1: "sherlock-rnn", 2: "sherlock-rnn-seed2", 3: "sherlock-rnn-seed3"}
    rnns = {
        name: LANGUAGE["sherlock-rnn"]._replace(valid=BITS[seed][0], test=BITS[seed][1]) for seed, name in names.items()
    }
    write(tmp_path, LANGUAGE | rnns, without=("sherlock-gru",))
    content = params.read(tmp_path / "params.yaml") | {"profile": "seed"}
    for seed in (2, 3):
        content["experiments"][f"sherlock-rnn-seed{seed}"]["seed"] = seed
    write_settings(tmp_path, content)
    for name, seconds in (("sherlock-rnn", 60.4), ("sherlock-rnn-seed2", 60.3), ("sherlock-rnn-seed3", 60.0)):
        trained(tmp_path, name, 10, seconds)
    return tmp_path


def row(page, name):
    """The cells of an experiment by the headings of their table."""
    lines = page.splitlines()
    place = next(number for number, line in enumerate(lines) if re.match(rf"\| {name}( \(|\s\|)", line))
    top = max(number for number in range(place) if lines[number].startswith("## ")) + 2
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", lines[at])[1:-1]] for at in (top, place)]
    assert len(cells[0]) == len(cells[1])
    return dict(zip(cells[0], cells[1], strict=True))


def test_a_group_has_its_claim_mean_epochs_command_hardware_and_wall_time(folder):
    page = SCRIPT.page(folder, CLAIMS, ["two cores"])
    cells = row(page, "sherlock-rnn")
    assert cells["experiment"] == "sherlock-rnn (3 seeds)"
    assert cells["textbook"] == "better than chance[^1]"
    assert cells["bits per character, valid"].startswith("2.300 ± 0.050<br>perplexity 4.9")
    assert cells["test"].startswith("2.320 ± 0.062<br>perplexity ")
    assert cells["epochs"] == "10"
    assert cells["command"] == "`dvc repro profiles/seed/dvc.yaml:evaluate@sherlock-rnn{,-seed2,-seed3}`"
    assert cells["hardware"] == "A"
    assert cells["wall time"] == "3 min 01 s"
    assert "- **A**: two cores" in page
    assert "[^1]: A book, 3." in page


def test_an_experiment_without_results_is_not_run(folder):
    cells = row(SCRIPT.page(folder, CLAIMS, ["two cores"]), "sherlock-gru")
    assert (cells["bits per character, valid"], cells["test"], cells["wall time"]) == ("not run", "not run", "–")
    assert cells["command"] == "`dvc repro profiles/seed/dvc.yaml:evaluate@sherlock-gru`"
    assert "11 of its 12 experiments have been run" in SCRIPT.page(folder, CLAIMS, []).replace("\n", " ")


def test_fewer_epochs_than_the_profile_are_labelled_with_the_command_that_trains_so(folder):
    content = params.read(folder / "params.yaml")
    content["experiments"]["novel-lstm"]["training"]["epochs"] = 50
    full = params.check(content)
    trained(folder, "novel-lstm", 8)
    cells = row(SCRIPT.page(folder, CLAIMS, [], full), "novel-lstm")
    assert cells["epochs"] == "8 of 50"
    assert cells["command"] == (
        "`dvc exp run -S profiles/seed/params.yaml:experiments.novel-lstm.training.epochs=8 "
        "profiles/seed/dvc.yaml:evaluate@novel-lstm`"
    )
    assert row(SCRIPT.page(folder, CLAIMS, [], full), "sherlock-rnn")["epochs"] == "10"
    # Without the whole profile beside it there is nothing to be fewer than.
    assert row(SCRIPT.page(folder, CLAIMS, []), "novel-lstm")["epochs"] == "8"


def test_a_command_sets_all_that_is_otherwise_in_the_whole_profile(folder):
    content = params.read(folder / "params.yaml")
    corpus = content["tokens"][content["experiments"]["novel-lstm"]["tokens"]]["corpus"]
    content["experiments"]["novel-lstm"]["training"]["clip_norm"] = 0.125
    content["experiments"]["novel-lstm"]["trainer"] = {"accelerator": "auto"}
    content["corpora"][corpus]["split"] = {"valid": 0.25, "test": 0.25}
    cells = row(SCRIPT.page(folder, CLAIMS, [], params.check(content)), "novel-lstm")
    given = params.load(folder / "params.yaml")
    clip, split = given.experiments["novel-lstm"].training.clip_norm, given.corpora[corpus].split
    assert cells["command"] == (
        f"`dvc exp run -S profiles/seed/params.yaml:experiments.novel-lstm.training.clip_norm={clip} "
        f"-S profiles/seed/corpora.yaml:corpora.{corpus}.split.valid={split.valid} "
        f"-S profiles/seed/corpora.yaml:corpora.{corpus}.split.test={split.test} "
        "profiles/seed/dvc.yaml:evaluate@novel-lstm`"
    )


def test_timings_of_another_training_are_not_shown(folder):
    path = folder / ".anamnesis" / "timings" / "sherlock-rnn-seed2.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fingerprint": "another"}))
    assert row(SCRIPT.page(folder, CLAIMS, []), "sherlock-rnn")["wall time"] == "–"


def test_the_same_files_give_the_same_page_and_the_note_stands_in_its_head(folder):
    pages = [SCRIPT.page(folder, CLAIMS, ["x"], note="Trained for a while.") for _ in range(2)]
    assert pages[0] == pages[1]
    assert "Trained for a while." in pages[0].partition("## ")[0]
    assert str(folder) not in pages[0]
