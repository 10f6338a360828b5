"""The folder of a profile: what it is made of, what stays in it, and that the committed ones are current."""

import os
from pathlib import Path

import pytest

from anamnesis import files, params, profiles
from anamnesis.errors import AnamnesisError, ParamsError
from anamnesis.project import find_root, home, profile_names, profile_of
from anamnesis.yaml_file import read_yaml

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


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A project with the profiles `seed`, which is valid, `wrong`, `text` and `laptop`, which are not."""
    for folder in ("src", "pipelines", "cells", "data/own", ".dvc/plots", "profiles", "docs"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data" / "own" / "mine.txt").write_text("mine")
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "corpora.yaml").write_text(CORPORA)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / ".dvcignore").write_text("__pycache__\n")
    overlays = {"seed": "corpora: {'*': {limit: 4}}", "wrong": "corpora: {'*': {limt: 4}}", "text": "no mapping"}
    for name, text in {**overlays, "laptop": "{}"}.items():
        (tmp_path / "profiles" / f"{name}.yaml").write_text(text)
    return tmp_path


def test_the_folder_is_a_project_of_its_own(top: Path) -> None:
    assert profiles.make(top, "seed") == [".dvcignore", "dvc.yaml", "corpora.yaml", "params.yaml"]
    folder = top / "profiles" / "seed"
    assert [(top / name).read_text() for name in ("params.yaml", "corpora.yaml")] == [PARAMS, CORPORA]
    settings = params.load(folder / "params.yaml")
    assert (settings.profile, settings.corpora["hello"].limit) == ("seed", 4)
    for name in ("params.yaml", "corpora.yaml"):
        assert f"{name} and profiles/seed.yaml by `anamnesis profile seed`" in (folder / name).read_text()
    assert read_yaml(folder / "dvc.yaml") == {"stages": {}}
    for name in ("src", "pipelines", "cells", "data/own", ".dvc/plots"):
        assert not os.path.isabs(os.readlink(folder / name))
        assert (folder / name).resolve() == top / name
    assert (folder / ".dvc" / "config").read_text().endswith("dir = ../../../.dvc/cache\n")
    assert not [path for path in folder.rglob(".*.*") if path.name != ".dvcignore"], "something temporary was left"


def test_results_and_own_settings_stay(top: Path) -> None:
    profiles.make(top, "seed")
    folder = top / "profiles" / "seed"
    files.write_text(folder / "metrics" / "a.json", "{}")
    files.write_text(folder / "dvc.lock", "schema: '2.0'\n")
    files.write_text(folder / ".dvc" / "config", "[core]\n    remote = mine\n")
    (folder / "cells").unlink()
    (folder / "cells").symlink_to("elsewhere")
    assert profiles.make(top, "seed") == []
    assert (folder / "cells").resolve() == top / "cells"
    (top / "corpora.yaml").write_text(CORPORA.replace("minimum: 2", "minimum: 3"))
    assert profiles.changed(top, "seed") == ["corpora.yaml"]
    assert profiles.make(top, "seed") == ["corpora.yaml"]
    (top / "params.yaml").write_text(PARAMS.replace("uniform}", "ngram, order: 3}"))
    assert profiles.changed(top, "seed") == ["params.yaml"]
    assert profiles.make(top, "seed") == ["params.yaml"]
    (top / "dvc.yaml").write_text("stages: {}\nplots: []\n")
    assert profiles.make(top, "seed") == ["dvc.yaml"]
    assert profiles.changed(top, "seed") == []
    kept = {name: (folder / name).read_text() for name in ("metrics/a.json", "dvc.lock", ".dvc/config")}
    assert kept == {
        "metrics/a.json": "{}",
        "dvc.lock": "schema: '2.0'\n",
        ".dvc/config": "[core]\n    remote = mine\n",
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sed", "no profile is named 'sed'; did you mean 'seed'"),
        ("wrong", "profiles/wrong.yaml over corpora.yaml: corpora.hello.limt: unknown key; did you mean 'limit'"),
        ("text", "profiles/text.yaml: found a list or a single value; allowed: a mapping"),
        ("laptop", "laptop is the project's own folder"),
    ],
)
def test_what_is_wrong_writes_nothing(top: Path, name: str, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        profiles.make(top, name)
    assert not (top / "profiles" / name).exists()


def test_a_folder_in_the_place_of_a_link_is_not_touched(top: Path) -> None:
    files.write_text(top / "profiles" / "seed" / "src" / "mine.py", "")
    with pytest.raises(AnamnesisError, match=r"profiles/seed/src: allowed: a link to \.\./\.\./src; move it away"):
        profiles.make(top, "seed")
    assert [path.name for path in (top / "profiles" / "seed").iterdir()] == ["src"]


def test_an_interrupted_folder_is_not_taken_for_a_project(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = files.write_text

    def killed(path: Path, text: str) -> None:
        if path.name == "params.yaml":
            raise KeyboardInterrupt
        write(path, text)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            profiles.make(top, "seed")
    with pytest.raises(ParamsError, match="its folder is not made yet: anamnesis profile seed"):
        find_root(top, "seed")
    assert profiles.make(top, "seed") == ["params.yaml"]
    assert find_root(top, "seed") == top / "profiles" / "seed"


def test_where_a_command_works(top: Path) -> None:
    profiles.make(top, "seed")
    folder = top / "profiles" / "seed"
    (folder / "data" / "raw").mkdir()
    for start in (top, top / "docs", top / "profiles"):
        assert find_root(start) == top
        assert find_root(start, "seed") == folder
    for start in (folder, folder / "data" / "raw"):
        assert find_root(start) == folder
        assert find_root(start, "laptop") == top
        assert find_root(start, "seed") == folder
    assert (home(top), profile_of(top)) == (top, "laptop")
    assert (home(folder), profile_of(folder)) == (top, "seed")
    assert profile_names(top) == ["laptop", "seed", "text", "wrong"]
    # A project that merely lies in a folder of that name is nobody's profile.
    assert home(top / "docs" / "profiles" / "seed") == top / "docs" / "profiles" / "seed"
    for name in ("sed", "../docs", ".."):
        with pytest.raises(ParamsError, match=f"no profile is named {name!r}"):
            find_root(top, name)


def test_the_committed_profile_is_current() -> None:
    assert profiles.changed(REPOSITORY, "seed") == [], "run `anamnesis profile seed`"
    folder = REPOSITORY / "profiles" / "seed"
    for name in profiles.LINKED:
        assert (folder / name).resolve() == REPOSITORY / name
    assert (folder / ".dvc" / "config").read_text() == profiles.CONFIG.format(no_scm="false")
    assert (folder / ".dvc" / ".gitignore").read_text() == profiles.IGNORED
