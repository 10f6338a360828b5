"""`anamnesis profile` and --profile."""

import shutil

from shell import anamnesis

from anamnesis import params
from anamnesis.files import write_text

from .conftest import HELLO


def test_profile_writes_the_files_with_which_every_command_works(root, tmp_path):
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    overlays = {"smoke": "experiments: {hello-ngram3: {model: {order: 2}}}\n", "wrong": "corpora: {'*': {limt: 4}}\n"}
    for name, text in overlays.items():
        write_text(tmp_path / "profiles" / name / "profile.yaml", text)
    assert anamnesis(tmp_path, "--profile", "smoke", "list").stderr == (
        "error: profile smoke: its files are not written yet: anamnesis profile smoke\n"
    )
    wrong = anamnesis(tmp_path, "profile", "wrong")
    assert wrong.returncode == 2
    assert "profiles/wrong/profile.yaml over corpora.yaml: corpora.hello.limt" in wrong.stderr
    assert "did you mean 'smoke'?" in anamnesis(tmp_path, "profile", "smok").stderr
    # Even where the profile that is to be made is the one that is asked for.
    output = anamnesis(tmp_path, "profile", "smoke", ANAMNESIS_PROFILE="smoke").stdout
    assert output.splitlines()[0] == "profiles/smoke: wrote dvc.yaml, corpora.yaml, params.yaml"
    assert "make repro PROFILE=smoke" in output
    assert "up to date" in anamnesis(tmp_path, "profile", "smoke").stdout
    folder = tmp_path / "profiles" / "smoke"
    assert params.read(tmp_path / "params.yaml") == HELLO
    assert "project's own folder" in anamnesis(folder, "profile", "laptop").stdout
    listed = anamnesis(tmp_path, "profile").stdout.splitlines()[1:]
    assert [line.split("\t")[:2] for line in listed] == [
        ["laptop", "."],
        ["smoke", "profiles/smoke"],
        ["wrong", "profiles/wrong"],
    ]
    assert listed[1].endswith("ready: 2 experiments")

    asked = [
        anamnesis(tmp_path, "--profile", "smoke", "show", "hello-ngram3"),
        anamnesis(tmp_path / "data", "show", "hello-ngram3", ANAMNESIS_PROFILE="smoke"),
        anamnesis(folder, "show", "hello-ngram3"),
    ]
    assert all("order: 2" in done.stdout for done in asked)
    assert "\n\nnot trained yet: anamnesis --profile smoke repro hello-ngram3\n" in asked[0].stdout
    ours = anamnesis(folder, "--profile", "laptop", "show", "hello-ngram3")
    assert "order: 3" in ours.stdout
    # Its results are its own.
    assert "evaluated" in anamnesis(tmp_path, "list").stdout
    assert "evaluated" not in anamnesis(tmp_path, "--profile", "smoke", "list").stdout
