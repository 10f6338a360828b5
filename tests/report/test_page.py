"""The page: whole, self-contained, safe with any text, the same bytes each time."""

import json
import math
import re
from html.parser import HTMLParser

import pytest

from anamnesis.boards import Question
from anamnesis.report import charts, leaderboard, page, results
from anamnesis.report.compare import compare

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Checks that every element is closed in order, and collects what the tests ask about."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.text, self.headings, self.specs, self.rows = [], [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.attributes.append((tag, attributes))
        if tag not in VOID:
            self.open.append((tag, attributes))
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop()[0] == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data):
        tag, attributes = self.open[-1] if self.open else ("", {})
        if tag == "script" and attributes.get("type") == "application/json":
            self.specs.append(json.loads(data))
        elif tag not in ("script", "style"):
            self.text.append(data)
            if any(name == "tr" for name, _ in self.open):
                self.rows[-1].append(data.strip())


@pytest.fixture(scope="session")
def html(project):
    return (project / "reports" / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def parsed(html):
    return Page(html)


def test_is_well_formed_and_its_links_lead_somewhere(parsed):
    assert not parsed.open
    identifiers = [attributes["id"] for _, attributes in parsed.attributes if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    targets = [attributes["href"] for tag, attributes in parsed.attributes if tag == "a"]
    assert {target[1:] for target in targets if target.startswith("#")} <= set(identifiers)
    assert {target for target in targets if not target.startswith("#")} == {"leaderboard.csv", "curves.csv"}


def test_names_every_experiment_with_its_scores(parsed, project):
    for row in leaderboard.table(project):
        cells = next(cells for cells in parsed.rows if row.result.experiment in cells)
        shown = [cell for cell in cells if cell]
        assert f"{row.result.scores['valid']['bits_per_character']:.3f}" in shown
        assert f"{row.result.scores['test']['bits_per_character']:.3f}" in shown


def test_baselines_and_winners_are_marked_in_words(parsed, project):
    for row in leaderboard.table(project):
        cells = next(cells for cells in parsed.rows if row.result.experiment in cells)
        assert any("baseline" in cell for cell in cells) == row.result.baseline
        assert ("best" in cells) == (row.rank == 1)


def test_loads_nothing_from_anywhere(html, parsed):
    for tag, attributes in parsed.attributes:
        assert "src" not in attributes
        assert "srcset" not in attributes
        if tag == "link":
            assert attributes["href"].startswith("data:")
    styles = re.search(r"<style>(.*?)</style>", html, re.DOTALL).group(1)
    assert "url(" not in styles
    assert "@import" not in styles
    policy = next(attributes["content"] for _, attributes in parsed.attributes if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'")
    assert len(html.encode()) < 3_000_000


def test_text_of_users_stays_text(made, tmp_path):
    hostile = "<script>alert('x')</script><img src=x onerror=alert(1)></script><!-- {{ 7*7 }}"
    made.write(tmp_path)
    path = tmp_path / "predictions" / "sherlock-lstm" / "samples.json"
    path.write_text(json.dumps([{"prompt": hostile, "strategy": hostile, "text": hostile}]))
    before = Page(page.render(tmp_path))
    assert sum(tag == "script" for tag, _ in before.attributes) == 2 + len(before.specs)
    assert not any(tag == "img" for tag, _ in before.attributes)
    assert sum(hostile in part for part in before.text) >= 3


def test_a_sample_of_white_space_is_named_as_such(made, tmp_path):
    made.write(tmp_path)
    path = tmp_path / "predictions" / "sherlock-lstm" / "samples.json"
    path.write_text(json.dumps([{"prompt": "a", "strategy": "greedy", "text": "\n \n"}]))
    assert page.render(tmp_path).count("(nothing but white space)") == 1


def test_same_prompt_stands_side_by_side_and_chinese_is_labelled(project, html):
    rows = [row for row in leaderboard.table(project) if row.result.corpus == "sanguo"]
    groups = page.sample_groups(project, rows)
    assert [(group.prompt, group.strategy) for group in groups] == [
        ("却说曹操", strategy) for strategy in ("temperature 0.7", "top-k 10", "greedy")
    ]
    for group in groups:
        assert [text.title for text in group.texts] == ["sanguo-lstm", "sanguo-ngram3"]
    assert '<p dir="auto" lang="zh"><mark>却说曹操</mark>引军至城下' in html


def test_second_run_writes_the_same_bytes(made, tmp_path):
    outputs = []
    for name in ("first", "second"):
        root = made.write(tmp_path / name)
        compare(root)
        compare(root)
        outputs.append({path.name: path.read_bytes() for path in (root / "reports").iterdir()})
    assert outputs[0] == outputs[1]
    assert set(outputs[0]) == {"index.html", "leaderboard.csv", "curves.csv"}


def test_bars_hold_the_scores_of_the_leaderboard(parsed, project):
    bars = [spec for spec in parsed.specs if "values" in spec.get("data", {})]
    shown = [(value["experiment"], value["valid"], value["test"]) for spec in bars for value in spec["data"]["values"]]
    assert shown == [
        (row.result.experiment, *(row.result.scores[split]["bits_per_character"] for split in ("valid", "test")))
        for row in leaderboard.table(project)
    ]


def test_curves_ring_the_epoch_with_the_lowest_validation_perplexity(project):
    rows = [row for row in leaderboard.table(project) if row.result.experiment == "sherlock-lstm"]
    curve = results.curve(project, "sherlock-lstm")
    spec = charts.curves(rows, {"sherlock-lstm": curve})
    rings = [layer["data"]["values"] for layer in spec["layer"] if layer["mark"].get("filled") is False]
    lowest = min(curve.epochs, key=lambda epoch: epoch.valid)
    assert lowest is not curve.epochs[-1], "the fixture's best epoch must not be its last"
    assert [ring["epoch"] for ring in rings[0]] == [lowest.epoch]


def test_experiments_with_other_tokens_get_a_chart_of_their_own(made, tmp_path):
    import yaml

    made.write(tmp_path)
    settings = yaml.safe_load((tmp_path / "params.yaml").read_text())
    settings["tokens"]["sherlock-bigrams"] = {"corpus": "sherlock", "kind": "bigrams"}
    settings["experiments"]["sherlock-gru"]["tokens"] = "sherlock-bigrams"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    html = page.render(tmp_path)
    assert "<strong>sherlock-bigrams</strong>" in html
    drawn = [
        {value["experiment"] for values in spec["datasets"].values() for value in values}
        for spec in Page(html).specs
        if "params" in spec
    ]
    assert {"sherlock-gru"} in drawn
    assert not any("sherlock-gru" in names and len(names) > 1 for names in drawn)


@pytest.mark.parametrize(
    ("network", "baseline", "said"),
    [
        (2.0, 2.25, "0.250 less than the best baseline"),
        (2.25, 2.0, "No network beats this baseline"),
        (2.0, 2.0, "are equal"),
        (2.0, None, "no baseline"),
        (None, 2.0, "no network"),
    ],
)
def test_verdict(network, baseline, said):
    entries = [] if network is None else [_result("net", network)]
    entries += [] if baseline is None else [_result("floor", baseline, baseline=True)]
    assert said in page.verdict(leaderboard.rank(entries))


def test_data_that_layers_share_is_written_once():
    shared, own = {"values": [{"x": 1}]}, {"values": [{"x": 2}]}
    spec = {"layer": [{"data": shared, "mark": mark} for mark in "ab"] + [{"data": own, "mark": "c"}, {"mark": "d"}]}
    found = charts.once(spec)
    [(name, values)] = found["datasets"].items()
    assert values == [{"x": 1}]
    assert [layer.get("data") for layer in found["layer"]] == [{"name": name}, {"name": name}, own, None]
    assert spec["layer"][0]["data"] is shared
    assert charts.once({"mark": "bar", **own}) == {"mark": "bar", **own}


def test_labels_that_would_overlap_share_one_line():
    points = [{"value": value, "label": name} for name, value in (("a", 1.0), ("b", 5.0), ("c", 5.4), ("d", 20.0))]
    found = charts.labelled(points, "value", 0.5)
    assert [(each["label"], each["value"]) for each in found] == [("d", 20.0), ("c, b", 5.4), ("a", 1.0)]
    # On a logarithmic axis 20 is as near to 5.4 as 5 to 1.35.
    found = charts.labelled(points, "value", math.log(3.9), logarithmic=True)
    assert [each["label"] for each in found] == ["d, c", "b", "a"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [([4.0, 90.0], "log"), ([4.0, 9.0], "linear"), ([1.0, 1.0], "linear"), ([2.0, 1e30], "log")],
)
def test_axis_is_logarithmic_only_where_it_helps_and_covers_all_values(values, kind):
    row = leaderboard.rank([_result("net", values[0])])
    epochs = [results.Epoch(number, None, value) for number, value in enumerate(values, 1)]
    vertical = charts.curves(row, {"net": results.Curve("perplexity", epochs)})["layer"][2]["encoding"]["y"]
    low, high = vertical["scale"]["domain"]
    assert vertical["scale"].get("type", "linear") == kind
    assert low < min(values)
    assert max(values) < high
    assert kind == "linear" or 2 <= len(vertical["axis"]["values"]) <= 40


def _result(name, value, baseline=False):
    scores = {split: {"perplexity": value, "bits_per_character": value} for split in ("valid", "test")}
    return results.Result(
        experiment=name,
        task="language",
        corpus="c",
        tokens="t",
        kind="characters",
        language=None,
        architecture="a",
        baseline=baseline,
        parameters=1,
        scores=scores,
        question=Question("language", "c", "1", "2"),
        asked="the whole text",
    )


def test_charts_draw_and_label_each_bar_with_its_score(parsed):
    import vl_convert

    assert parsed.specs
    for spec in parsed.specs:
        drawn = vl_convert.vegalite_to_svg(spec | {"width": 500})
        for value in spec.get("data", {}).get("values", []):
            assert f"{value['valid']:.3f}" in drawn
