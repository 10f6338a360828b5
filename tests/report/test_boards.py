"""Every board on the page: its numbers are those of the metrics, and what is missing breaks nothing."""

import csv
import html as entities
import io
import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from anamnesis.boards import BOARDS
from anamnesis.report import confusion, formats, leaderboard, mappings, page, results
from anamnesis.report.compare import compare


class Tables(HTMLParser):
    """The body rows of each board's leaderboard by anchor: the values of the cells, as sorting sees them."""

    def __init__(self, text):
        super().__init__()
        self.anchor, self.inside, self.rows = "", False, {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "section":
            self.anchor = attributes["id"]
        if tag == "table":
            self.inside = "sortable" in attributes.get("class", "")
        if tag == "tr" and self.inside:
            self.rows.setdefault(self.anchor, []).append([])
        if tag in ("td", "th") and self.inside and "data-value" in attributes:
            self.rows[self.anchor][-1].append(attributes["data-value"])


@pytest.fixture(scope="module")
def html(boards):
    return (boards / "reports" / "index.html").read_text(encoding="utf-8")


@pytest.fixture
def copied(boards, tmp_path):
    return shutil.copytree(boards, tmp_path / "project")


def ranked(root, board, corpus):
    return [row for row in leaderboard.table(root) if (row.result.task, row.result.corpus) == (board, corpus)]


def part(html, anchor):
    """The page's section of one corpus."""
    section = html[html.index(f'id="{anchor}"') :]
    return section[: section.index("</section>")]


def metrics_of(root, experiment):
    return json.loads((root / "metrics" / f"{experiment}.json").read_text())


def test_every_score_of_every_board_stands_in_its_table(boards, html):
    tables = Tables(html).rows
    seen = set()
    for board, corpora in leaderboard.boards(leaderboard.table(boards)):
        for corpus, _, rows in corpora:
            body = [cells for cells in tables[f"{board}-{corpus}"] if cells]
            assert [cells[1] for cells in body] == [row.result.experiment for row in rows]
            for cells, row in zip(body, rows, strict=True):
                scores = metrics_of(boards, row.result.experiment)
                known = [
                    metric
                    for metric in BOARDS[board].metrics
                    if any(
                        metric in metrics_of(boards, other.result.experiment)["valid"]
                        for _, _, part in corpora
                        for other in part
                    )
                ]
                wanted = [scores[split].get(metric) for split in ("valid", "test") for metric in known]
                shown = [float(cell) if cell else None for cell in cells[-len(wanted) :]]
                assert shown == wanted
                seen.add(row.result.experiment)
    assert len(seen) == len(list((boards / "metrics").iterdir()))


def test_each_board_ranks_by_its_own_metric_in_its_own_sense(boards):
    for board, corpora in leaderboard.boards(leaderboard.table(boards)):
        metric, sign = BOARDS[board].metric, -1 if BOARDS[board].higher else 1
        for _, _, rows in corpora:
            scores = [sign * metrics_of(boards, row.result.experiment)["valid"][metric] for row in rows]
            assert scores == sorted(scores)
            assert [row.rank for row in rows] == list(range(1, len(rows) + 1))


def test_boards_of_one_corpus_do_not_mix(boards):
    rows = leaderboard.table(boards)
    novel = {row.result.task: set() for row in rows if row.result.corpus == "novel"}
    for row in rows:
        if row.result.corpus == "novel":
            novel[row.result.task].add(row.result.experiment)
    assert set(novel) == {"language", "cloze", "word-number"}
    assert all("cloze" in name for name in novel["cloze"])
    assert {row.result.experiment for row in rows if row.mark == "best" and row.result.corpus == "novel"} == {
        "novel-ngram3",
        "novel-cloze-birnn",
        "novel-numbers-fc5",
    }


def test_csv_has_the_scores_of_every_board(boards):
    rows = list(csv.DictReader(io.StringIO((boards / "reports" / "leaderboard.csv").read_text())))
    for row in rows:
        scores = metrics_of(boards, row["experiment"])
        for split in ("valid", "test"):
            for metric in BOARDS[row["board"]].metrics:
                value = scores[split].get(metric)
                shown = row[f"{split}_{metric}"]
                assert (float(shown) if shown else None) == value


def test_terminal_shows_each_board_whole_on_eighty_columns(boards):
    from rich.console import Console

    from anamnesis.report.terminal import print_leaderboard

    console = Console(file=io.StringIO(), width=80)
    print_leaderboard(boards, console)
    text = console.file.getvalue()
    assert "…" not in text
    assert all(len(line.rstrip()) <= 80 for line in text.splitlines())
    for name, corpora in leaderboard.boards(leaderboard.table(boards)):
        assert BOARDS[name].title in text
        for row in (row for _, _, rows in corpora for row in rows):
            line = next(line for line in text.splitlines() if f" {row.result.experiment} " in line)
            for split in ("valid", "test"):
                metric = BOARDS[name].metric
                assert formats.score(metric, metrics_of(boards, row.result.experiment)[split][metric]) in line


def test_what_starts_from_another_model_is_made_by_stages_of_its_own(copied):
    for name in ("fairytales20-lstm-finetuned", "fairytales20-lstm-scratch"):
        (copied / "metrics" / f"{name}.json").unlink()
    assert results.load(copied).missing == {
        "fairytales20-lstm-scratch": "evaluate@fairytales20-lstm-scratch",
        "fairytales20-lstm-finetuned": "evaluate-derived@fairytales20-lstm-finetuned",
    }


# One of each board, one that others are compared with, one that starts from another.
SOME = (
    *("sherlock-uniform", "sherlock-lstm", "fairytales100-rnn", "fairytales20-lstm-scratch"),
    *("fairytales20-lstm-finetuned", "memory-scrn", "novel-cloze-rnn", "novel-numbers-fc5", "authors-states"),
    *("en-nl-attention", "en-nl-seq2seq", "en-nl-copy"),
    *("news-lstm", "news-tfidf", "videos-cnn-lstm", "captions-lstm", "captions-nearest", "sines-ar", "sunspots-lstm3"),
)


def test_any_experiment_may_be_missing(copied):
    for path in (copied / "metrics" / f"{name}.json" for name in SOME):
        kept = path.read_bytes()
        path.unlink()
        text = page.render(copied)
        assert f"<strong>{path.stem}</strong> has no metrics yet" in text
        path.write_bytes(kept)


def test_any_one_experiment_is_enough(copied):
    for path in (copied / "metrics" / f"{name}.json" for name in SOME):
        root = copied.parent / path.stem
        (root / "metrics").mkdir(parents=True)
        for name in ("params.yaml", "corpora.yaml"):
            shutil.copy(copied / name, root)
        shutil.copy(path, root / "metrics")
        # No predictions at all, as of an evaluation that was cut short.
        assert f"<strong>{path.stem}</strong> is best" in page.render(root)


def test_second_run_writes_the_same_bytes(copied):
    before = {path.name: path.read_bytes() for path in (copied / "reports").iterdir()}
    compare(copied)
    assert before == {path.name: path.read_bytes() for path in (copied / "reports").iterdir()}


def test_word_numbers_stand_beside_the_language_model(boards):
    rows = leaderboard.table(boards)
    ranked = [row for row in rows if row.result.task == "word-number"]
    groups = page.word_numbers(boards, rows, ranked)
    assert [group.strategy for group in groups] == ["novel-numbers-fc5", "novel-numbers-mean"]
    for group in groups:
        assert [text.title for text in group.texts] == [group.strategy, group.strategy, "novel-lstm"]
        assert group.texts[1].text == "sunk whimsical obstinacy forgot"
        assert "temperature" in group.texts[-1].note


def test_blanks_show_guesses_and_the_word_that_was_not_guessed(boards, html):
    rows = [row for row in leaderboard.table(boards) if row.result.task == "cloze"]
    found = page.blanks(boards, rows)
    assert [blank.word for blank in found] == ["acknowledged", "determined", "mr."]
    assert set(found[0].filled) == {row.result.experiment for row in rows}
    assert found[1].before + "____" + found[1].after == "she was <b>not</b> ____ to be pleased"
    section = part(html, "cloze-novel")
    # Nine cells; in one the word is not among the guesses, in the others it is marked for eyes and ears.
    assert section.count('class="guess right"') == section.count('<span class="said"> right</span>') == 8
    assert section.count("… mr. <span>14 %</span>") == 1
    assert "<b>" not in section
    assert entities.escape("she was <b>not</b>") in section


def test_a_hostile_blank_or_label_stays_text(copied):
    hostile = "</script><script>alert(1)</script>"
    path = copied / "predictions" / "novel-cloze-rnn" / "blanks.json"
    guess = {"word": hostile, "probability": 0.5}
    path.write_text(json.dumps([{"text": f"{hostile} ____", "word": hostile, "probability": 0.5, "guesses": [guess]}]))
    path = copied / "predictions" / "authors-states" / "confusion.csv"
    path.write_text(f"actual,predicted,count\n{hostile},{hostile},3\n")
    text = page.render(copied)
    assert "<script>alert(1)" not in text
    assert text.count(entities.escape(hostile)) >= 3


def test_confusion_shares_are_of_the_actual_label(boards):
    [authors] = confusion.confusion(boards, ranked(boards, "classification", "authors"))
    charts = dict(authors.shown)
    values = charts["authors-histogram"]["data"]["values"]
    assert len(values) == 25
    for label in {value["actual"] for value in values}:
        assert sum(value["share"] for value in values if value["actual"] == label) == pytest.approx(1)
    right = next(value for value in values if value["actual"] == value["predicted"] == "doyle")
    assert (right["count"], right["share"]) == (80, 0.8)
    assert charts["authors-histogram"]["description"].startswith("authors-histogram: 400 of 500 right")


def test_confusions_of_the_best_of_each_kind_are_open_and_the_others_folded(boards, html):
    [news] = confusion.confusion(boards, ranked(boards, "classification", "reuters-r8"))
    assert [name for name, _ in news.shown] == ["news-birnn", "news-tfidf"]
    assert len(news.others) == 6
    # What was never counted has no cell, but its label keeps its place.
    spec = dict(news.shown)["news-birnn"]
    assert len(spec["data"]["values"]) == 6
    assert spec["encoding"]["x"]["scale"]["domain"] == ["acq", "crude", "earn"]
    section = part(html, "classification-reuters-r8")
    folded = section[section.index("the other 6 experiments") :]
    assert "Confusion matrix of news-birnn" not in folded
    assert "Confusion matrix of news-lstm-relu" in folded


def test_videos_are_confused_by_digit_and_by_direction(boards):
    found = confusion.confusion(boards, ranked(boards, "frames", "digits"))
    assert [each.what for each in found] == ["digit", "direction"]
    assert [len(dict(each.shown)["videos-cnn-lstm"]["encoding"]["x"]["sort"]) for each in found] == [10, 4]


@pytest.mark.parametrize(
    ("experiment", "file", "damage"),
    [
        ("novel-cloze-rnn", "blanks.json", '[{"text": "a"}]'),
        ("novel-cloze-rnn", "blanks.json", "{"),
        ("sherlock-lstm", "context.csv", "split,tokens\ntest,1\n"),
        ("memory-rnn", "gradients.csv", "when,distance,norm\ninitial,1,much\n"),
        ("memory-rnn", "clipping.csv", "nonsense\n1\n"),
        ("authors-states", "confusion.csv", "actual,predicted\na,b\n"),
        ("fairytales100-scrn", "curve.csv", "epoch\n1\n"),
        ("news-lstm", "curve.csv", "experiment,epoch,train_loss,valid_loss\nnews-lstm,1,2,2\n"),
        ("news-birnn", "mistakes.csv", "actual,predicted\nacq,earn\n"),
        ("videos-cnn", "directions.csv", "actual,predicted,count\nup,down,many\n"),
        ("captions-gru", "captions.csv", "reference\none two\n"),
        ("captions-gru", "lengths.csv", "digits,images,exact_match\ntwo,3,0.5\n"),
        ("captions-lstm", "images/01-three-seven-one.png", "no image"),
        ("sherlock-lstm", "samples.json", '["a"]'),
        ("novel-numbers-fc5", "samples.json", "{"),
        ("fairytales20-lstm-finetuned", "curve.csv", "\0"),
        ("en-nl-attention", "translations.csv", "source,reference\na,b\n"),
        ("en-nl-attention", "lengths.csv", "low,high,sentences,bleu\nfew,3,2,1\n"),
        ("en-nl-attention", "attention.json", '[{"source": ["a"]}]'),
        ("sunspots-fc5", "forecasts.csv", "split,time,value\ntrain,1,2\n"),
        ("sunspots-fc5", "free.csv", "step,time,value,forecast\n1,2,3,4\n"),
        ("sunspots-fc5", "steps.csv", "step,rmse\n1,small\n"),
    ],
)
def test_a_damaged_file_costs_its_own_part_alone(copied, html, reported, experiment, file, damage):
    (copied / "predictions" / experiment / file).write_text(damage)
    found = compare(copied)
    text = (copied / "reports" / "index.html").read_text(encoding="utf-8")
    assert found.damaged
    for line in found.damaged:
        assert f"{experiment}/{file}: " in line
        assert line.endswith(f"; run `anamnesis repro {experiment}`")
        assert entities.escape(line) in text.replace("&#39;", "&#x27;").replace("&#34;", "&quot;")
    sections, whole = (sections_of(each) for each in (text, html))
    assert sections.keys() == whole.keys()
    own = next(row for row in leaderboard.table(copied) if row.result.experiment == experiment).result
    changed = {anchor for anchor, content in sections.items() if content != whole[anchor]}
    assert changed <= {f"{own.task}-{own.corpus}", "memory", "expectations"}
    # Every other part is as it was: what is gone belongs to the parts that were lost.
    for anchor in changed - {"memory", "expectations"}:
        lost = set(parts_of(whole[anchor])) - set(parts_of(sections[anchor]))
        assert 1 <= len(lost) <= 5, lost
    for table in ("leaderboard.csv", "curves.csv") if file != "curve.csv" else ("leaderboard.csv",):
        assert (copied / "reports" / table).read_text() == reported[table]


def sections_of(html):
    """The content of each section that holds no other, by its anchor."""
    found = re.findall(r'<section id="([^"]+)"((?:(?!<section ).)*?)</section>', html, re.DOTALL)
    return dict(found)


def parts_of(section):
    """What stands below each heading of a section, with the heading."""
    return re.split(r"(?=<h4)", section)


@pytest.fixture(scope="module")
def reported(boards):
    return {name: (boards / "reports" / name).read_text() for name in ("leaderboard.csv", "curves.csv")}


@pytest.mark.parametrize("content", ["not a number", "an error"])
def test_a_value_that_nobody_foresaw_costs_its_own_part_alone(boards, html, monkeypatch, content):
    real = page.confusion

    def odd(root, ranked):
        if ranked[0].result.task != "frames":
            return real(root, ranked)
        if content == "an error":
            return 1 / 0
        spec = {"description": "", "data": {"values": [{"x": float("nan")}]}}
        return [confusion.Confusion("digit", [("videos-cnn", spec)], [])]

    monkeypatch.setattr(page, "confusion", odd)
    damaged = []
    sections, whole = (sections_of(each) for each in (page.render(boards, damaged), html))
    [line] = damaged
    assert line.startswith("Confusions of digits cannot be drawn: ")
    assert line.endswith("; run `anamnesis repro videos-cnn-lstm videos-cnn videos-lstm`")
    assert {anchor for anchor, section in sections.items() if section != whole[anchor]} == {"frames-digits"}


def test_damaged_metrics_cost_their_own_experiment_alone(copied, reported):
    path = copied / "metrics" / "sherlock-lstm.json"
    path.write_text("<<<<<<< HEAD\n" + path.read_text() + ">>>>>>> other\n")
    broken = copied / "metrics" / "videos-cnn.json"
    broken.write_text(broken.read_text().replace('"accuracy": 0.13', '"accuracy": NaN'))
    found = compare(copied)
    assert found.damaged[0].endswith(
        "sherlock-lstm.json: line 1 is a conflict mark of Git; run `anamnesis repro sherlock-lstm`"
    )
    assert "videos-cnn.json: not the metrics of an experiment: ValueError(nan)" in found.damaged[1]
    text = (copied / "reports" / "index.html").read_text(encoding="utf-8")
    assert "<strong>sherlock-lstm</strong> has damaged metrics" in text
    names = {
        row["experiment"] for row in csv.DictReader(io.StringIO((copied / "reports" / "leaderboard.csv").read_text()))
    }
    before = {row["experiment"] for row in csv.DictReader(io.StringIO(reported["leaderboard.csv"]))}
    assert before - names == {"sherlock-lstm", "videos-cnn"}


def test_the_four_mappings_lead_to_what_there_is_of_them(boards, html):
    found = mappings.mappings(row.result.task for row in leaderboard.table(boards))
    assert {mapping.name: list(mapping.boards) for mapping in found} == {
        "one-to-one": ["forecast"],
        "one-to-many": ["caption"],
        "many-to-one": ["classification", "frames", "cloze"],
        "many-to-many": ["language", "translation"],
    }
    table = part(html, "mappings")
    for board in (board for mapping in found for board in mapping.boards):
        assert f'<a href="#board-{board}">' in table
        assert f'<section id="board-{board}"' in html
    assert html.index('id="mappings"') < html.index('id="overview"')
    assert [mapping.name for mapping in mappings.mappings(["memory", "caption"])] == ["one-to-many"]


def test_differences_of_scores_have_a_sign():
    assert formats.signed("accuracy", 0.0123) == "+1.2"
    assert formats.signed("accuracy", -0.0123) == "−1.2"
    assert formats.signed("accuracy", -0.0004) == "±0"
    assert formats.signed("rmse", -1234.5) == "−1,234"


@pytest.mark.parametrize(
    ("metric", "value", "shown"),
    [
        ("exact_match", 0.957, "95.7 %"),
        ("character_error_rate", 0.0123, "1.2 %"),
        ("digit_accuracy", 1.0, "100.0 %"),
        ("rmse_free_running", 60.834, "60.83"),
        ("skill", -0.0249, "-0.02490"),
    ],
)
def test_each_metric_has_its_unit(metric, value, shown):
    assert formats.score(metric, value) == shown
