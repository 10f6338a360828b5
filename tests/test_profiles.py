"""The files of a profile, the folder in which commands work, and settings of `seed` that are compared."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from anamnesis import console, files, params, profiles
from anamnesis.errors import ParamsError
from anamnesis.project import find_root, home, profile_names, profile_of
from anamnesis.tasks.language.model.streams import StreamBatches, WindowBatches

REPOSITORY = Path(__file__).resolve().parent.parent
CORPORA = """\
corpora:
  hello: {reader: text, source: {kind: literal, text: hello, same: true}, minimum: 2}
"""
PARAMS = """\
profile: laptop
tokens:
  hello-characters: {corpus: hello, kind: characters}
experiments:
  hello-uniform: {task: language, tokens: hello-characters, model: {architecture: uniform}}
"""
PIPELINE = """\
stages:
  fetch:
    foreach: ${corpora}
    do:
      cmd: fetch ${key}
      deps: ["data/own/${key}", src]
      params: [corpora.yaml: ["corpora.${key}"]]
      outs: ["data/raw/${key}"]
  train-dependent:
    foreach: ${dependent}
    do: {cmd: "train ${key}", deps: ["${item.needs}"], params: ["dependent.${key}"], outs: ["models/${key}"]}
  compare: {cmd: compare, deps: [params.yaml, models], metrics: [metrics/all.json]}
"""


@pytest.fixture
def top(tmp_path):
    """A project with the profiles `seed`, which is valid, and `wrong`, `text` and `laptop`, which are not."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "corpora.yaml").write_text(CORPORA)
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    overlays = {"seed": "corpora: {'*': {limit: 4}}", "wrong": "corpora: {'*': {limt: 4}}", "text": "no mapping"}
    for name, text in {**overlays, "laptop": "{}"}.items():
        files.write_text(tmp_path / "profiles" / name / "profile.yaml", text)
    return tmp_path


def test_the_settings_are_the_project_s_with_the_profile_s_changes(top):
    assert profiles.write(top, "seed") == ["dvc.yaml", "corpora.yaml", "params.yaml"]
    folder = top / "profiles" / "seed"
    settings = params.load(folder / "params.yaml")
    assert (settings.profile, settings.corpora["hello"].limit) == ("seed", 4)
    assert [(top / name).read_text() for name in ("params.yaml", "corpora.yaml")] == [PARAMS, CORPORA]
    assert profiles.write(top, "seed") == []
    files.write_text(folder / "metrics" / "a.json", "{}")
    (top / "params.yaml").write_text(PARAMS.replace("uniform}", "ngram, order: 3}"))
    assert profiles.list_changes(top, "seed") == ["params.yaml"]
    assert profiles.write(top, "seed") == ["params.yaml"]
    assert (folder / "metrics" / "a.json").read_text() == "{}"


def test_stages_read_and_write_the_profile_s_folder_and_share_code_cells_and_own_files():
    dependent = {
        "a": {"task": "language", "needs": "models/x", "model": {}},
        "b": {"task": "cloze", "needs": "cells/m.py"},
    }
    stages = profiles.pipeline(yaml.safe_load(PIPELINE), "seed", {"dependent": dependent})["stages"]
    assert stages["fetch"] == {
        "foreach": "${corpora}",
        "do": {
            "cmd": "fetch ${key} --profile seed",
            "wdir": "../..",
            "deps": ["data/own/${key}", "src"],
            "params": [{"profiles/seed/corpora.yaml": ["corpora.${key}"]}],
            "outs": ["profiles/seed/data/raw/${key}"],
        },
    }
    assert stages["train-dependent"]["foreach"] == {
        "a": {"task": "language", "needs": "profiles/seed/models/x"},
        "b": {"task": "cloze", "needs": "cells/m.py"},
    }
    assert stages["train-dependent"]["do"]["deps"] == ["${item.needs}"]
    assert stages["train-dependent"]["do"]["params"] == [{"profiles/seed/params.yaml": ["dependent.${key}"]}]
    assert stages["compare"]["deps"] == ["profiles/seed/params.yaml", "profiles/seed/models"]
    assert stages["compare"]["metrics"] == ["profiles/seed/metrics/all.json"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sed", "no profile is named 'sed'; did you mean 'seed'"),
        (
            "wrong",
            "profiles/wrong/profile.yaml over corpora.yaml: corpora.hello.limt: unknown key",
        ),
        ("text", "profiles/text/profile.yaml: found a list or a single value; allowed: a mapping"),
        ("laptop", "laptop is the project's own folder"),
    ],
)
def test_a_wrong_profile_writes_nothing(top, name, message):
    with pytest.raises(ParamsError, match=message):
        profiles.write(top, name)
    assert not (top / "profiles" / name / "params.yaml").exists()


def test_an_interrupted_write_leaves_no_profile(top, monkeypatch):
    write = files.write_text

    def killed(path: Path, text: str) -> None:
        if path.name == "params.yaml":
            raise KeyboardInterrupt
        write(path, text)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            profiles.write(top, "seed")
    with pytest.raises(ParamsError, match="its files are not written yet: anamnesis profile seed"):
        find_root(top, "seed")
    assert profiles.write(top, "seed") == ["params.yaml"]
    assert find_root(top, "seed") == top / "profiles" / "seed"


def test_where_a_command_works(top):
    profiles.write(top, "seed")
    folder = top / "profiles" / "seed"
    (folder / "data" / "raw").mkdir(parents=True)
    for start in (top, top / "docs", top / "profiles"):
        assert find_root(start) == top
        assert find_root(start, "seed") == folder
    for start in (folder, folder / "data" / "raw"):
        assert find_root(start) == folder
        assert find_root(start, "laptop") == top
    assert (home(top), profile_of(top)) == (top, "laptop")
    assert (home(folder), profile_of(folder)) == (top, "seed")
    assert profile_names(top) == ["laptop", "seed", "text", "wrong"]
    # A project in a folder of that name belongs to no other.
    assert home(top / "docs" / "profiles" / "seed") == top / "docs" / "profiles" / "seed"
    for name in ("sed", "../docs", ".."):
        with pytest.raises(ParamsError, match=f"no profile is named {name!r}"):
            find_root(top, name)


def test_the_script_of_a_stage_takes_a_profile(monkeypatch):
    monkeypatch.setattr("sys.argv", ["train.py", "a", "--profile", "seed"])
    assert console.arguments("EXPERIMENT") == (Path("profiles/seed"), ["a"])
    monkeypatch.setattr("sys.argv", ["train.py", "a"])
    assert console.arguments("EXPERIMENT") == (Path(), ["a"])
    monkeypatch.setattr("sys.argv", ["train.py", "a", "b"])
    with pytest.raises(ParamsError, match=r"usage: python -P train.py EXPERIMENT \[--profile PROFILE\]; found 2"):
        console.arguments("EXPERIMENT")


@pytest.mark.parametrize("name", ["seed", "smoke"])
def test_the_profiles_of_this_project_are_valid(name):
    assert profiles.contents(REPOSITORY, name).keys() == {"dvc.yaml", "corpora.yaml", "params.yaml"}


ROOT = Path(__file__).parent.parent
# What sherlock has to train on there.
CHARACTERS = 506_814


@pytest.fixture(scope="module")
def seed():
    return params.check(profiles.merge(ROOT, "seed"))


def test_windows_and_streams_see_the_same_number_of_characters(seed):
    ids = np.zeros(CHARACTERS, np.uint8)
    by_windows, by_streams = seed.experiments["sherlock-lstm-windows"], seed.experiments["sherlock-lstm"]
    assert by_windows.model == by_streams.model
    windows = WindowBatches(ids, by_windows.batches, None, by_windows.seed)
    streams = StreamBatches(ids, by_streams.batches, None)
    assert windows.drawn == len(windows.starts)
    seen = (
        windows.drawn * by_windows.batches.length * by_windows.training.epochs,
        int(streams.lengths.sum()) * by_streams.training.epochs,
    )
    assert seen[1] == pytest.approx(seen[0], rel=0.01)


def test_the_networks_of_the_tales_differ_in_nothing_but_the_layer(seed):
    for collection, architectures in (("20", ("rnn", "scrn")), ("100", ("rnn", "rnn3", "scrn", "lstm", "gru"))):
        for name in architectures:
            experiment = seed.experiments[f"fairytales{collection}-{name}"]
            assert experiment.model.hidden == 64
            assert (experiment.batches.batch, experiment.batches.steps, experiment.batches.truncate) == (64, 50, None)
            assert experiment.training == seed.experiments["fairytales20-rnn"].training
            assert experiment.training.epochs == 50
            assert experiment.tokens == f"fairytales{collection}-bigrams"
            if name == "scrn":
                assert (experiment.model.context, experiment.model.alpha) == (64, 0.9)


def test_every_file_of_the_web_is_found_in_the_mirror_by_its_own_name(seed):
    """A file is stored once in a mirror, whichever corpora use it."""
    places: dict[str, set[str]] = {}
    for name, corpus in seed.corpora.items():
        for file in getattr(corpus.source, "files", []):
            if getattr(file, "url", None):
                places.setdefault(file.url, set()).add(file.mirror or f"{name}/{file.url.rpartition('/')[2]}")
    assert len(places) == 8
    assert all(len(experiment) == 1 for experiment in places.values())
