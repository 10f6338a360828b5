"""The page: whole, self-contained, safe with any text, the same bytes each time, robust against damaged files."""

import html as entities
import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from anamnesis.report import leaderboard, page, results, texts
from anamnesis.stages.compare import compare

VOID = {"meta", "link", "br", "img", "input", "hr"}
HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)><!-- {{ 7*7 }}"


class Page(HTMLParser):
    """Checks that every element is closed in order, and collects attributes, texts, charts and rows of tables."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.text, self.specs, self.rows = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))
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
def html(boards):
    return (boards / "reports" / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def parsed(html):
    return Page(html)


def sections_of(html):
    """The content of each section without inner sections, by its anchor."""
    return dict(re.findall(r'<section id="([^"]+)"((?:(?!<section ).)*?)</section>', html, re.DOTALL))


def test_is_well_formed_and_its_links_have_targets(parsed):
    assert not parsed.open
    identifiers = [attributes["id"] for _, attributes in parsed.attributes if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    targets = {attributes["href"] for tag, attributes in parsed.attributes if tag == "a"}
    assert {target[1:] for target in targets if target.startswith("#")} <= set(identifiers)
    assert {target for target in targets if not target.startswith("#")} == {"leaderboard.csv", "curves.csv"}


def test_loads_nothing_from_other_machines(html, parsed):
    for tag, attributes in parsed.attributes:
        assert "srcset" not in attributes
        assert attributes.get("src", "data:").startswith("data:")
        if tag == "link":
            assert attributes["href"].startswith("data:")
    styles = re.search(r"<style>(.*?)</style>", html, re.DOTALL).group(1)
    assert "url(" not in styles
    assert "@import" not in styles
    policy = next(attributes["content"] for _, attributes in parsed.attributes if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'")
    assert len(html.encode()) < 3_000_000


def test_charts_compile_and_hold_no_data_twice(parsed):
    import vl_convert

    for spec in parsed.specs:
        assert "<svg" in vl_convert.vegalite_to_svg(spec | ({"width": 500} if spec["width"] == "container" else {}))
        values = [json.dumps(each) for each in spec["datasets"].values()]
        assert len(values) == len(set(values))
        assert "$schema" not in spec
        assert "config" not in spec


def test_bars_hold_the_scores_of_the_leaderboard(parsed, boards):
    shown = {}
    for spec in parsed.specs:
        for value in (value for values in spec["datasets"].values() for value in values if "role" in value):
            shown[value["experiment"]] = value["valid"], value["test"]
    for row in leaderboard.table(boards):
        metric = leaderboard.BOARDS[row.result.task].metric
        assert shown[row.result.experiment] == tuple(row.result.scores[split][metric] for split in results.SPLITS)


def test_text_of_users_stays_text(copied):
    def write(path, content):
        (copied / "predictions" / path).write_text(content)

    sample = {"prompt": HOSTILE, "strategy": HOSTILE, "text": HOSTILE}
    write("sherlock-lstm/samples.json", json.dumps([sample, sample | {"strategy": "a", "text": "\n \n"}]))
    guess = {"word": HOSTILE, "probability": 0.5}
    blank = {"text": f"{HOSTILE} ____", "word": HOSTILE, "probability": 0.5, "guesses": [guess]}
    write("novel-cloze-rnn/blanks.json", json.dumps([blank]))
    quoted = '"' + HOSTILE + '"'
    write("authors-states/confusion.csv", f"actual,predicted,count\n{quoted},{quoted},3\n")
    write("news-birnn/mistakes.csv", f"actual,predicted,probability,text\na,b,0.5,{quoted}\n")
    weights = [{"source": [HOSTILE], "target": [HOSTILE], "weights": [[1.0]]}]
    write("en-nl-attention/attention.json", json.dumps(weights))
    text = page.render(copied)
    before = Page(text)
    assert sum(tag == "script" for tag, _ in before.attributes) == 2 + len(before.specs)
    assert not any("onerror" in attributes for _, attributes in before.attributes)
    assert sum(HOSTILE in part for part in before.text) >= 6
    assert "(nothing but white space)" in text


def test_samples_stand_side_by_side_and_chinese_is_labelled(boards, html):
    rows = leaderboard.table(boards)
    groups = texts.sample_groups(boards, rows, [row for row in rows if row.result.corpus == "sanguo"])
    assert [(group["prompt"], group["strategy"]) for group in groups] == [
        ("却说曹操", strategy) for strategy in ("temperature 0.7", "top-k 10", "greedy")
    ]
    for group in groups:
        assert [text["title"] for text in group["texts"]] == ["sanguo-lstm", "sanguo-ngram3"]
    assert '<p dir="auto" lang="zh"><mark>却说曹操</mark>引军至城下' in html


def test_second_run_writes_the_same_bytes(copied):
    before = {path.name: path.read_bytes() for path in (copied / "reports").iterdir()}
    compare(copied)
    assert before == {path.name: path.read_bytes() for path in (copied / "reports").iterdir()}
    assert set(before) == {"index.html", "leaderboard.csv", "curves.csv"}


def test_any_one_experiment_is_enough(copied):
    for name in ("sherlock-uniform", "memory-scrn", "novel-numbers-fc5", "en-nl-copy", "captions-lstm", "sines-ar"):
        root = copied.parent / name
        (root / "metrics").mkdir(parents=True)
        for file in ("params.yaml", "corpora.yaml", f"metrics/{name}.json"):
            shutil.copy(copied / file, root / file)
        # There are no predictions, as after an interrupted evaluation.
        assert f"<strong>{name}</strong> is best" in page.render(root)


@pytest.mark.parametrize(
    ("experiment", "file", "damage"),
    [
        ("novel-cloze-rnn", "blanks.json", '[{"text": "a"}]'),
        ("sherlock-lstm", "context.csv", "split,tokens\ntest,1\n"),
        ("fairytales100-scrn", "curve.csv", "epoch\n1\n"),
        ("captions-lstm", "images/01-three-seven-one.png", "no image"),
        ("fairytales20-lstm-finetuned", "curve.csv", "\0"),
        ("en-nl-attention", "attention.json", "{"),
    ],
)
def test_a_damaged_file_removes_only_its_own_part(copied, html, experiment, file, damage):
    (copied / "predictions" / experiment / file).write_text(damage)
    damaged = compare(copied)
    assert damaged
    text = (copied / "reports" / "index.html").read_text(encoding="utf-8")
    for line in damaged:
        assert f"{experiment}/{file}: " in line
        assert line.endswith(f"; run `anamnesis repro {experiment}`")
        assert line in entities.unescape(text)
    sections, whole = sections_of(text), sections_of(html)
    assert sections.keys() == whole.keys()
    own = next(row for row in leaderboard.table(copied) if row.result.experiment == experiment).result
    changed = {anchor for anchor, content in sections.items() if content != whole[anchor]}
    assert changed <= {f"{own.task}-{own.corpus}", "memory", "expectations"}
    for anchor in changed - {"memory", "expectations"}:
        # The parts under other headings are as before.
        lost = set(re.split("(?=<h4)", whole[anchor])) - set(re.split("(?=<h4)", sections[anchor]))
        assert 1 <= len(lost) <= 6


def test_an_unexpected_value_removes_only_its_own_part(boards, html, monkeypatch):
    real = page.confusion
    spec = {"description": "", "data": {"values": [{"x": float("nan")}]}}
    odd = [{"what": "digit", "shown": [("videos-cnn", spec)], "others": []}]
    monkeypatch.setattr(page, "confusion", lambda *given: odd if given[1][0].result.task == "video" else real(*given))
    damaged = []
    sections, whole = sections_of(page.render(boards, damaged)), sections_of(html)
    [line] = damaged
    assert line.startswith("Confusions of digits cannot be drawn: ")
    assert line.endswith("; run `anamnesis repro videos-cnn-lstm videos-cnn videos-lstm`")
    assert {anchor for anchor, section in sections.items() if section != whole[anchor]} == {"video-digits"}


def test_damaged_metrics_remove_only_their_own_experiment(copied):
    path = copied / "metrics" / "sherlock-lstm.json"
    path.write_text("<<<<<<< HEAD\n" + path.read_text() + ">>>>>>> other\n")
    broken = copied / "metrics" / "videos-cnn.json"
    broken.write_text(broken.read_text().replace('"accuracy": 0.13', '"accuracy": NaN'))
    damaged = compare(copied)
    assert damaged[0].endswith("line 1 is a conflict mark of Git; run `anamnesis repro sherlock-lstm`")
    assert "videos-cnn.json: not the metrics of an experiment: ValueError(nan)" in damaged[1]
    assert "<strong>sherlock-lstm</strong> has damaged metrics" in (copied / "reports" / "index.html").read_text()
    table = (copied / "reports" / "leaderboard.csv").read_text()
    assert ",sherlock-gru," in table
    assert ",videos-cnn," not in table
