"""What the page says of classified texts: techniques beside the plain network, gates, mistakes."""

import json
import shutil

import pytest
import yaml

from anamnesis.report import classification, leaderboard, page, results


@pytest.fixture
def copied(boards, tmp_path):
    return shutil.copytree(boards, tmp_path / "project")


def news(root):
    rows = [row for row in leaderboard.table(root) if row.result.corpus == "reuters-r8"]
    return classification.classification(root, rows, [entry.experiment for entry in results.load(root).results])


def reset(root, experiment, **model):
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    params["experiments"][experiment]["model"] |= model
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False, allow_unicode=True), encoding="utf-8")


def test_each_technique_stands_beside_the_plain_network_with_what_it_sets(boards):
    [comparison] = news(boards).techniques
    assert comparison.plain == "news-lstm"
    assert {each.experiment: each.changed for each in comparison.variants} == {
        "news-lstm": [],
        "news-lstm-dropout": ["dropout: 0 → 0.3"],
        "news-lstm-batchnorm": ["norm: none → batch"],
        "news-lstm-residual": ["residual: no → yes"],
        "news-lstm-relu": ["dense: none → 64"],
    }
    told = {each.experiment: each.differences.get("valid") for each in comparison.variants}
    assert list(told.values()) == [None, "+2.0", "−2.0", "±0", "+1.0"]
    # sqrt(0.905 * 0.095 / 300) is 1.69 %.
    assert "300 test documents has a standard error of 1.7 percentage points" in comparison.text
    assert comparison.text.startswith("On validation data news-lstm-dropout is best.")


def test_everything_that_is_set_otherwise_is_said(copied):
    reset(copied, "news-lstm-relu", layers=2)
    [comparison] = news(copied).techniques
    assert comparison.variants[-1].changed == ["layers: 1 → 2", "dense: none → 64"]


def test_gates_stand_beside_the_fused_layer_only_with_the_same_settings(copied):
    [comparison] = news(copied).gates
    assert [each.experiment for each in comparison.variants] == ["news-lstm", "news-lstm-gates"]
    assert "from as many parameters" in comparison.text
    assert "1.0 percentage points apart" in comparison.text
    path = copied / "metrics" / "news-lstm-gates.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"parameters": 5999}))
    assert "from not as many parameters" in news(copied).gates[0].text
    reset(copied, "news-lstm-gates", hidden=65)
    assert news(copied).gates == []


def test_ten_mistakes_of_the_best_network_stay_text(boards):
    found = news(boards)
    assert found.judge == "news-birnn"
    assert [each.probability for each in found.mistakes] == [round(0.9 - k / 50, 6) for k in range(10)]
    html = (boards / "reports" / "index.html").read_text(encoding="utf-8")
    assert "shares of &lt;b&gt;news-birnn&lt;/b&gt; 9 rose &amp; fell" in html
    assert "10 rose" not in html
    assert "of &lt;b&gt;news-lstm&lt;/b&gt;" not in html


def test_accuracy_and_loss_are_both_drawn_with_the_ring_where_the_loss_is_lowest(boards):
    rows = [row for row in leaderboard.table(boards) if row.result.corpus == "reuters-r8"]
    figures = dict(page._curves(boards, rows, [], []))
    assert list(figures) == ["accuracy", "loss"]
    for figure in figures.values():
        [rings] = [layer["data"]["values"] for layer in figure.spec["layer"] if layer["mark"].get("filled") is False]
        assert len(rings) == 7
        # The accuracy is highest in the fifth.
        assert {ring["epoch"] for ring in rings} == {3}
    [vertical] = {json.dumps(layer["encoding"]["y"]) for layer in figures["accuracy"].spec["layer"]}
    assert "log" not in vertical
    # The floor's accuracy is known, its loss is not.
    assert [name for name, colour in figures["accuracy"].legend if colour is None] == ["news-tfidf"]
    assert all(colour is not None for _, colour in figures["loss"].legend)
