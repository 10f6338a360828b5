"""`dvc plots show` draws one chart for each board and token store, with integer epochs."""

import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from anamnesis.report import results

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def texts(boards, tmp_path_factory):
    """The texts of each plot, in the order of drawing."""
    import vl_convert

    root = shutil.copytree(boards, tmp_path_factory.mktemp("plots") / "project")
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--quiet", "--no-scm"], cwd=root, check=True)
    shutil.copytree(REPOSITORY / ".dvc" / "plots", root / ".dvc" / "plots")
    plots = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["plots"]
    (root / "dvc.yaml").write_text(yaml.safe_dump({"plots": plots}))
    done = subprocess.run([*dvc, "plots", "show", "--json"], cwd=root, check=True, capture_output=True, text=True)
    labels = {}
    for name, [plot] in json.loads(done.stdout)["data"].items():
        spec = plot["content"]
        svg = vl_convert.vegalite_to_svg(json.loads(spec) if isinstance(spec, str) else spec)
        labels[name] = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    return labels


def test_each_board_has_its_own_charts_with_integer_epochs(boards, texts):
    entries = {entry.experiment: entry for entry in results.load(boards).results}
    charts, seen, epochs = {}, [], []
    for text in texts["perplexity"]:
        if text in entries:
            seen.append(text)
        elif text == "epoch":
            labels = list(itertools.takewhile(lambda label: re.fullmatch(r"\d*", label), reversed(epochs)))
            assert labels
            assert len(set(labels)) == len(labels)
        elif re.fullmatch(r"[a-z-]+: [\w-]+", text):
            charts[text], seen = seen, []
        epochs.append(text)
    assert {"language: novel-words", "cloze: novel-words", "translation: en-nl-subwords"} <= charts.keys()
    for title, names in charts.items():
        assert names
        assert {f"{entries[name].task}: {entries[name].tokens}" for name in names} == {title}
