"""What the page says of films: each half alone, and both parts together."""

import pytest

from anamnesis.report import frames, leaderboard, results


@pytest.fixture
def films(boards):
    rows = [row for row in leaderboard.table(boards) if row.result.board == "frames"]
    return frames.frames(boards, rows, [entry.experiment for entry in results.load(boards).results])


def test_each_half_is_shown_in_what_it_can_tell_and_in_what_it_cannot(films):
    assert dict(films.scores) == {
        "films-cnn-lstm": {"digit": "98.5 %", "direction": "99.0 %", "both": "97.5 %"},
        "films-cnn": {"digit": "90.0 %", "direction": "14.0 %", "both": "13.0 %"},
        "films-lstm": {"digit": "62.0 %", "direction": "91.0 %", "both": "57.0 %"},
    }
    # Ten digits, and four directions in this file.
    assert films.chance == {"digit": "10.0 %", "direction": "25.0 %"}
    assert (
        "films-cnn sees one frame, which cannot show where the digit goes: it tells the digit in 90.0 %" in films.text
    )
    assert "the direction in 14.0 % of the films, both together in 13.0 %" in films.text


def test_the_chart_draws_a_bar_for_each_part(films):
    import vl_convert

    drawn = vl_convert.vegalite_to_svg(films.spec | {"width": 500})
    assert drawn.count('aria-roledescription="bar"') == 6
    assert drawn.count('aria-roledescription="tick"') == 6
    for _, scores in films.scores:
        assert scores["digit"] in drawn
        assert scores["direction"] in drawn
