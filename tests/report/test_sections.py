"""The parts of the page on one task: memory, captioning, classification, video, forecasting, translation."""

import base64
import csv
import json
import re
import shutil

import pandas as pd
import pytest

from anamnesis.errors import AnamnesisError
from anamnesis.report import captioning, confusion, forecasting, leaderboard, memory, results, translation, video

from .conftest import picture


def groups(root, corpus, task):
    """The rows of a group, ranked, and in the order of params.yaml."""
    rows = [row for row in leaderboard.table(root) if (row.result.corpus, row.result.task) == (corpus, task)]
    order = [result.experiment for result in results.load(root).results]
    return rows, sorted(rows, key=lambda row: order.index(row.result.experiment))


def read(root, experiment, name):
    with open(root / "predictions" / experiment / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def points(spec, layer):
    """The data of a layer."""
    data = spec["layer"][layer].get("data") or spec["data"]
    return spec["datasets"][data["name"]]


def svg(spec, **changes):
    import vl_convert

    return vl_convert.vegalite_to_svg(spec | {"width": 800} | changes)


# --- memory


@pytest.fixture(scope="module")
def head(boards):
    return memory.memory(boards, leaderboard.table(boards))


def test_memory_spans_are_medians_and_extremes_over_seeds(boards, head):
    values = {(value["experiment"], value["probe"]): value for value in points(head["spans"], 0)}
    assert len(values) == 2 * 5
    for (experiment, probe), value in values.items():
        scores = json.loads((boards / "metrics" / f"{experiment}.json").read_text())["test"]
        ends = [scores[f"memory_span_{probe}{end}"] for end in ("", "_low", "_high")]
        assert [value["median"], value["low"], value["high"]] == ends
    # A span of 0 stands left of the shortest lag; the longest lag is a lower bound.
    assert values["memory-rnn-relu", "adding"]["at_median"] < 5
    assert values["memory-lstm", "copy"]["label"] == "≥160"
    assert (head["order"], head["seeds"]) == ("lstm 160 > gru 120 > scrn 30 > rnn 7.5 > rnn-relu 0", "3")
    row = next(row for row in head["span_rows"] if row["cell"] == "scrn")
    assert row == {"cell": "scrn", "copy": "40 (20 to 40)", "adding": "20 (10 to 40)", "mean": "30"}


def test_contexts_are_relative_to_all_of_the_text_and_ringed_where_used(boards, head):
    assert {figure.title for figure in head["contexts"]} == {"characters", "words", "bigrams"}
    for figure in head["contexts"]:
        drawn, rings = (points(figure.spec, layer) for layer in (0, 1))
        for experiment, _ in figure.legend:
            rows = [row for row in read(boards, experiment, "context.csv") if row["split"] == "test"]
            full = next(float(row["perplexity"]) for row in rows if not row["tokens"])
            assert {p["tokens"]: p["ratio"] for p in drawn if p["experiment"] == experiment} == pytest.approx(
                {float(row["tokens"]): float(row["perplexity"]) / full for row in rows if row["tokens"]}
            )
            used = json.loads((boards / "metrics" / f"{experiment}.json").read_text())["test"]["context_tokens"]
            assert [ring["tokens"] for ring in rings if ring["experiment"] == experiment] == [used]
    assert head["used"][0] == "Characters used: sherlock-gru 32; sherlock-lstm 16."


# --- captioning, classification, video


def test_images_stand_in_the_page_with_their_reference_and_every_caption(boards):
    html = (boards / "reports" / "index.html").read_text(encoding="utf-8")
    sources = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="Handwritten digits: ([a-z ]+)">', html)
    assert [base64.b64decode(source) for source, _ in sources] == [picture(number) for number in range(1, 6)]
    assert sources[0][1] == "three seven one"
    _, second, *_ = captioning.captioning(boards, *groups(boards, "digits", "captioning"))["images"]
    # The best network first, the baseline last.
    assert [(each["name"], each["text"], each["right"]) for each in second["captions"]] == [
        ("lstm", "two fiv", False),
        ("gru", "two fiv", False),
        ("nearest", "three seven one", False),
    ]


def test_images_that_do_not_fit_are_refused(copied):
    folder = copied / "predictions" / "captions-lstm" / "images"
    models = [row.result for row in groups(copied, "digits", "captioning")[0]]
    for content in (b"<svg onload=alert(1)>", b"\x89PNG\r\n\x1a\n" + bytes(70_000)):
        (folder / "01-three-seven-one.png").write_bytes(content)
        with pytest.raises(AnamnesisError, match=r"01-three-seven-one\.png: not a PNG image of at most 65,536 bytes"):
            captioning.images(copied, models)
    (folder / "01-three-seven-one.png").rename(folder / "01-three-seven-two.png")
    with pytest.raises(AnamnesisError, match=r"01-three-seven-two\.png: not the image of row 1"):
        captioning.images(copied, models)


def test_confusions_are_shares_of_the_actual_label_and_the_best_of_each_kind_are_open(boards):
    [news] = confusion.confusion(boards, groups(boards, "reuters-r8", "classification")[0])
    assert [name for name, _ in news["shown"]] == ["news-birnn", "news-tfidf"]
    assert len(news["others"]) == 4
    spec = dict(news["shown"])["news-birnn"]
    values = points(spec, 0)
    # Pairs that never occur have no cell.
    assert len(values) == 6
    for label in ("acq", "crude", "earn"):
        assert sum(value["share"] for value in values if value["actual"] == label) == pytest.approx(1)
    assert spec["description"].startswith("news-birnn: 285 of 300 right")
    digits = confusion.confusion(boards, groups(boards, "digits", "video")[0])
    assert [each["what"] for each in digits] == ["digit", "direction"]


def test_each_part_of_a_video_network_is_shown(boards):
    content = video.video(boards, groups(boards, "digits", "video")[1])
    assert content["rows"] == [
        {"experiment": "videos-cnn-lstm", "digit": "98.5 %", "direction": "99.0 %", "both": "97.5 %"},
        {"experiment": "videos-cnn", "digit": "90.0 %", "direction": "14.0 %", "both": "13.0 %"},
        {"experiment": "videos-lstm", "digit": "62.0 %", "direction": "91.0 %", "both": "57.0 %"},
        # Ten digits, and four directions in these files.
        {"experiment": "guessing", "digit": "10.0 %", "direction": "25.0 %", "both": "–"},
    ]
    assert (
        "videos-cnn sees one frame, which cannot show where the digit goes: it tells the digit in 90.0 %"
        in content["text"]
    )
    drawn = svg(content["spec"])
    assert drawn.count('aria-roledescription="bar"') == drawn.count('aria-roledescription="tick"') == 6


# --- forecasting


@pytest.mark.parametrize(
    ("corpus", "parts", "boundaries"),
    [
        ("sunspots", ["training", "valid.", "test"], ["1749-01", "1774-01", "1779-01"]),
        ("sines", ["training", "test", "valid."], ["0", "500", "750"]),
    ],
)
def test_the_series_is_drawn_in_the_order_of_time_with_a_rule_between_its_parts(boards, corpus, parts, boundaries):
    spec = forecasting.forecasting(boards, *groups(boards, corpus, "forecasting"))["series"].spec
    assert [(each["label"], each["time"]) for each in points(spec, 3)] == list(zip(parts, boundaries, strict=True))
    drawn = svg(spec)
    assert [label for label in re.findall(r"<text[^>]*>([^<]*)</text>", drawn) if label in parts] == parts
    assert drawn.count('aria-roledescription="rule mark"') == 2
    # The data and one model's forecasts, each in three pieces.
    assert drawn.count('aria-roledescription="line mark"') == 6


def test_values_are_in_the_page_once_with_a_column_for_each_network(boards):
    part = forecasting.forecasting(boards, *groups(boards, "sunspots", "forecasting"))
    assert part["best"] == "sunspots-lstm3"
    figure = part["series"]
    rows = list(csv.DictReader(points(figure.spec, 0).splitlines()))
    own = read(boards, "sunspots-lstm3", "forecasts.csv")
    assert list(rows[0]) == ["time", "part", "value", "sunspots-fc5", "sunspots-lstm3"]
    for row, entry in zip(rows, own, strict=True):
        assert row["time"] == entry["time"]
        assert float(row["value"]) == pytest.approx(float(entry["value"]), rel=1e-3)
        assert bool(row["sunspots-lstm3"]) == bool(entry["forecast"])
    for each in (figure, part["free"]):
        strokes = []
        for highlight in (None, "sunspots-lstm3", "sunspots-fc5"):
            drawn = svg(each.spec, params=[{"name": "highlight", "value": highlight}])
            strokes.append(re.sub(r"clip\d+", "clip", drawn))
        assert strokes[0] == strokes[1] != strokes[2]


def test_free_running_forecasts_stand_beside_one_step_ones_of_the_same_moments(boards):
    spec = forecasting.forecasting(boards, *groups(boards, "sunspots", "forecasting"))["free"].spec
    values, drawn = points(spec, 0), points(spec, 1)
    rows = {row["time"]: row for row in read(boards, "sunspots-lstm3", "forecasts.csv")}
    start = float(rows[values[0]["time"]]["value"])
    for value in values:
        part = {
            p["kind"]: p["forecast"] for p in drawn if (p["experiment"], p["step"]) == ("sunspots-lstm3", value["step"])
        }
        assert part["one-step"] == pytest.approx(float(rows[value["time"]]["forecast"]), rel=1e-3)
        # As the fixture writes it: from the first of two origins.
        assert part["free-running"] == pytest.approx(start + 18.25 * value["step"] / 20, rel=1e-3)


def test_other_and_equal_times_are_drawn_by_their_place(copied):
    expected = [float(row["value"]) for row in read(copied, "sunspots-lstm3", "forecasts.csv")]
    for name, begins in (("sunspots-fc5", 10), ("sunspots-lstm3", 0)):
        path = copied / "predictions" / name / "forecasts.csv"
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table["time"] = ["noon" if place % 7 == 0 else f"Q{place % 4 + 1}" for place in range(len(table))]
        # The first model reads more values, so it starts later in each split.
        table[table.groupby("split").cumcount() >= begins].to_csv(path, index=False)
    part = forecasting.forecasting(copied, *groups(copied, "sunspots", "forecasting"))
    rows = list(csv.DictReader(points(part["series"].spec, 0).splitlines()))
    assert [int(row["time"]) for row in rows] == list(range(420))
    assert [float(row["value"]) for row in rows] == pytest.approx(expected, rel=1e-3)
    assert [place for place, row in enumerate(rows) if not row["sunspots-fc5"]] == [
        place for start in (0, 300, 360) for place in range(start, start + 10)
    ]


# --- translation


def translate(root):
    return translation.translation(root, *groups(root, "en-nl", "translation"))


def sources(rows):
    return [row["source"] for row in rows]


def test_best_and_worst_are_picked_by_the_best_network_among_sentences_of_6_to_20_words(boards):
    part = translate(boards)
    # en-nl-attention is best on validation, another one on test.
    assert part["judge"] == "en-nl-attention"
    rows = [row for row in read(boards, part["judge"], "translations.csv") if 6 <= len(row["source"].split()) <= 20]
    scores = {row["source"]: float(row["chrf"]) for row in rows}
    assert [scores[source] for source in sources(part["best"])] == sorted(scores.values(), reverse=True)[:5]
    assert [scores[source] for source in sources(part["worst"])] == sorted(scores.values())[:5]
    # Equal ones stay in the order of the corpus.
    assert sources(part["best"])[:2] == sources(rows)[:2]
    order = ["attention", "attention-luong", "attention-words", "seq2seq", "nearest", "copy"]
    for example in (*part["best"], *part["worst"]):
        assert [each["name"] for each in example["translations"]] == order
        for each in example["translations"]:
            rows = read(boards, f"en-nl-{each['name']}", "translations.csv")
            row = next(row for row in rows if row["source"] == example["source"])
            assert (each["text"], each["chrf"]) == (row["translation"], float(row["chrf"]))


def lengths(*rows):
    return pd.DataFrame(rows, columns=["low", "label", "sentences", "bleu"])


@pytest.mark.parametrize(
    ("attention", "seq2seq", "verdict"),
    [
        ((42.0, 24.0), (38.0, 9.0), "The lead of attention grows with the sentence, from 4.0 to 15.0."),
        ((42.0, 19.0), (38.0, 20.0), "leads by 4.0 where sentences are short, and not where they are long."),
        # A difference that the shown numbers do not show is none.
        ((42.04, 20.04), (42.0, 20.0), "leads in neither."),
    ],
)
def test_the_text_compares_attention_with_seq2seq(attention, seq2seq, verdict):
    def model(name, scores, few):
        # A range of fewer than 20 sentences says nothing.
        ranges = ((1, "1-3", 200, scores[0]), (16, "16-25", 40, scores[1]), (26, "26+", 19, few))
        return name, lengths(*ranges)

    text = translation.describe_lengths(model("a", attention, 1.0), model("s", seq2seq, 90.0))
    assert verdict in text
    assert f"{attention[0]:.1f} against {seq2seq[0]:.1f} at 1-3 words (200 sentences)" in text
    assert f"{attention[1]:.1f} against {seq2seq[1]:.1f} at 16-25 words (40 sentences)" in text


def test_a_heat_map_shows_all_tokens_in_order():
    import html

    from anamnesis.report.charts import attention

    source, target = ["a", 'b"', "a", "\\", "</s>"], ["ë", "'", "\U0001f642", "<b>"]
    weights = [[round(0.1 + 0.1 * ((i + j) % 5), 1) for j in range(5)] for i in range(4)]
    spec = attention({"source": source, "target": target, "weights": weights}, "net")
    values = next(iter(spec["datasets"].values()))
    assert {(value["target"], value["source"]): value["weight"] for value in values} == {
        (i, j): weight for i, row in enumerate(weights) for j, weight in enumerate(row)
    }
    drawn = svg(spec, width={"step": 20})
    labels = [html.unescape(label) for label in re.findall(r"<text[^>]*>([^<]*)</text>", drawn)]
    assert [label for label in labels if label not in ("source", "target")] == [*source, *target]


def test_sections_are_empty_for_other_tasks(boards, tmp_path):
    given = groups(boards, "novel", "cloze")
    assert translation.translation(boards, *given) == captioning.captioning(boards, *given) == {}
    assert forecasting.forecasting(boards, *given) == video.video(boards, given[1]) == {}
    # Word numbers are texts and no curves; without its files, a forecast has no figures.
    assert forecasting.forecasting(boards, *groups(boards, "novel", "forecasting")) == {}
    given = groups(boards, "sines", "forecasting")
    shutil.copy(boards / "params.yaml", tmp_path)
    assert forecasting.forecasting(tmp_path, *given) == {}
