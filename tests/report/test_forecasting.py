"""What the page says of series: all of it with one-step forecasts, free-running ones, and errors by horizon."""

import csv
import io
import re
import shutil

import pytest

from anamnesis.report import forecasting, leaderboard, page, results


@pytest.fixture
def copied(boards, tmp_path):
    return shutil.copytree(boards, tmp_path / "project")


def of(root, corpus):
    rows = [row for row in leaderboard.table(root) if row.result.corpus == corpus]
    return forecasting.forecasts(root, rows, [entry.experiment for entry in results.load(root).results])


def labels(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


@pytest.mark.parametrize(
    ("corpus", "parts", "first", "boundaries"),
    [
        ("sunspots", ["training", "valid.", "test"], "1749-01", ["1774-01", "1779-01"]),
        ("sines", ["training", "test", "valid."], "0", ["500", "750"]),
    ],
)
def test_the_series_is_drawn_in_the_order_of_time_with_a_rule_between_its_parts(
    boards, corpus, parts, first, boundaries
):
    import vl_convert

    spec = of(boards, corpus).series.spec
    rules, names = (layer["data"]["values"] for layer in spec["layer"][2:])
    assert [each["time"] for each in rules] == boundaries
    assert [(each["label"], each["time"]) for each in names] == list(zip(parts, [first, *boundaries], strict=True))
    drawn = vl_convert.vegalite_to_svg(spec | {"width": 800})
    assert [label for label in labels(drawn) if label in parts] == parts
    assert drawn.count('aria-roledescription="rule mark"') == 2
    # The data and one model's forecasts, each in three pieces.
    assert drawn.count('aria-roledescription="line mark"') == 6


def test_values_are_in_the_page_once_with_a_column_for_each_network(boards):
    figure = of(boards, "sunspots").series
    rows = list(csv.DictReader(io.StringIO(figure.spec["data"]["values"])))
    own = list(csv.DictReader((boards / "predictions" / "sunspots-lstm3" / "forecasts.csv").read_text().splitlines()))
    assert [row["time"] for row in rows] == [row["time"] for row in own]
    for row, entry in zip(rows, own, strict=True):
        assert float(row["value"]) == pytest.approx(float(entry["value"]), rel=1e-3)
        assert bool(row["sunspots-lstm3"]) == bool(entry["forecast"])
        if entry["forecast"]:
            assert float(row["sunspots-lstm3"]) == pytest.approx(float(entry["forecast"]), rel=1e-3)
    assert list(rows[0]) == ["time", "part", "value", "sunspots-fc5", "sunspots-lstm3"]
    assert figure.legend == [("sunspots-fc5", 0), ("sunspots-lstm3", 1)]
    assert max(map(len, figure.spec["data"]["values"].splitlines()[1:])) <= 36


def test_the_best_network_is_drawn_until_another_is_chosen(boards):
    import vl_convert

    found = of(boards, "sunspots")
    assert found.best == "sunspots-lstm3"
    for figure in (found.series, found.free):
        strokes = []
        for highlight in (None, "sunspots-lstm3", "sunspots-fc5"):
            spec = figure.spec | {"params": [{"name": "highlight", "value": highlight}], "width": 800}
            strokes.append(re.sub(r"clip\d+", "clip", vl_convert.vegalite_to_svg(spec)))
        assert strokes[0] == strokes[1] != strokes[2]


def test_free_running_forecasts_stand_beside_one_step_ones_of_the_same_moments(boards):
    layer = of(boards, "sunspots").free.spec["layer"]
    values, points = (each["data"]["values"] for each in layer[:2])
    assert [value["step"] for value in values] == list(range(1, 21))
    own = [point for point in points if point["experiment"] == "sunspots-lstm3"]
    rows = {
        row["time"]: row
        for row in csv.DictReader(
            (boards / "predictions" / "sunspots-lstm3" / "forecasts.csv").read_text().splitlines()
        )
    }
    for value in values:
        found = {point["kind"]: point["forecast"] for point in own if point["step"] == value["step"]}
        assert found["one-step"] == pytest.approx(float(rows[value["time"]]["forecast"]), rel=1e-3)
        # As the fixture makes it: from the first of two origins.
        start = float(rows[values[0]["time"]]["value"])
        assert found["free-running"] == pytest.approx(start + 18.25 * value["step"] / 20, rel=1e-3)


def test_errors_by_horizon_are_of_every_model_and_said_in_words(boards):
    found = of(boards, "sunspots")
    assert [name for name, _ in found.horizons.legend] == ["sunspots-fc5", "sunspots-lstm3", "sunspots-last"]
    assert found.text == (
        "The best network, sunspots-lstm3, is off by an RMSE of 20.07 one step ahead and of 54.75 at 20 steps, reading "
        "its own forecasts. The best baseline, sunspots-last, is off by an RMSE of 23.10 one step ahead and of 63.00 "
        "at 20 steps, reading its own forecasts."
    )


def test_unknown_and_equal_times_are_drawn_by_their_place(copied):
    lengths, expected = {"train": 300, "valid": 60, "test": 60}, []
    for name in ("sunspots-fc5", "sunspots-lstm3"):
        path = copied / "predictions" / name / "forecasts.csv"
        rows = list(csv.DictReader(path.read_text().splitlines()))
        expected = [float(row["value"]) for row in rows]
        for place, row in enumerate(rows):
            row["time"] = "noon" if place % 7 == 0 else f"Q{place % 4 + 1} of {place // 4}"
        # The first model reads more, and begins later in each split.
        begins = 10 if name == "sunspots-fc5" else 0
        starts = {"train": 0, "valid": 300, "test": 360}
        kept = [row for place, row in enumerate(rows) if place - starts[row["split"]] >= begins]
        path.write_text("\n".join(",".join(row) for row in [list(rows[0]), *(row.values() for row in kept)]) + "\n")
    figure = of(copied, "sunspots").series
    rows = list(csv.DictReader(figure.spec["data"]["values"].splitlines()))
    assert [int(row["time"]) for row in rows] == list(range(sum(lengths.values())))
    assert [float(row["value"]) for row in rows] == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert figure.spec["layer"][0]["encoding"]["x"]["axis"]["title"] == "place in the series"
    boundaries = figure.spec["layer"][2]["data"]["values"]
    assert [boundary["time"] for boundary in boundaries] == ["300", "360"]


def test_a_corpus_of_baselines_alone_has_figures(copied):
    for name in ("sines-fc5", "sines-ar"):
        (copied / "metrics" / f"{name}.json").unlink()
    found = of(copied, "sines")
    assert found.best == "sines-last"
    assert found.series is not None
    assert found.free is not None
    assert "sines-last" in page.render(copied)
