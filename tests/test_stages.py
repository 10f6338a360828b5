"""The parameters that each stage of dvc.yaml records."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from settings_files import write_settings

ROOT = Path(__file__).resolve().parent.parent
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
RECORDED = {
    "fetch": [{"corpora.yaml": ["corpora.${key}"]}],
    "fetch-own": [{"corpora.yaml": ["own_corpora.${key}"]}],
    "tokenize": ["tokens.${key}"],
    "train": ["experiments.${key}"],
    "train-dependent": ["dependent.${key}"],
    "evaluate": [],
    "evaluate-dependent": [],
    "compare": [],
    "register": [],
}


def test_every_stage_records_the_settings_that_it_uses_and_no_others():
    stages = {name: stage.get("do", stage) for name, stage in STAGES.items()}
    assert {name: stage.get("params", []) for name, stage in stages.items()} == RECORDED
    for name, stage in stages.items():
        assert ("params.yaml" in stage["deps"]) == (name in ("compare", "register"))
        if name.startswith("evaluate"):
            assert "models/${key}" in stage["deps"], "the model's card holds the settings"


@pytest.mark.parametrize("own", [{}, {"mine": {"reader": "text", "source": {"kind": "file", "path": "my.txt"}}}])
def test_dvc_takes_the_settings_with_and_without_an_own_corpus(tmp_path, own):
    source = {"kind": "literal", "text": "hello", "same": True}
    content = {"profile": "laptop", "corpora": {"hello": {"reader": "text", "source": source}}}
    write_settings(tmp_path, content | {"tokens": {}, "experiments": {}} | ({"own_corpora": own} if own else {}))
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    command = [sys.executable, "-m", "dvc", "stage", "list", "--name-only"]
    environment = os.environ | {"DVC_SITE_CACHE_DIR": str(tmp_path / "site")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    stages = [name for name in done.stdout.split() if name.startswith("fetch")]
    assert stages == ["fetch@hello", *(f"fetch-own@{name}" for name in own)]
