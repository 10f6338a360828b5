"""What the page says of videos: each half alone, and both parts together."""

import pytest

from anamnesis.report import leaderboard, results, video


@pytest.fixture
def videos(boards):
    rows = [row for row in leaderboard.table(boards) if row.result.task == "video"]
    return video.video(boards, rows, [entry.experiment for entry in results.load(boards).results])


def test_each_half_is_shown_in_what_it_can_tell_and_in_what_it_cannot(videos):
    assert dict(videos.scores) == {
        "videos-cnn-lstm": {"digit": "98.5 %", "direction": "99.0 %", "both": "97.5 %"},
        "videos-cnn": {"digit": "90.0 %", "direction": "14.0 %", "both": "13.0 %"},
        "videos-lstm": {"digit": "62.0 %", "direction": "91.0 %", "both": "57.0 %"},
    }
    # Ten digits, and four directions in this file.
    assert videos.chance == {"digit": "10.0 %", "direction": "25.0 %"}
    assert (
        "videos-cnn sees one frame, which cannot show where the digit goes: it tells the digit in 90.0 %" in videos.text
    )
    assert "the direction in 14.0 % of the videos, both together in 13.0 %" in videos.text


def test_the_chart_draws_a_bar_for_each_part(videos):
    import vl_convert

    drawn = vl_convert.vegalite_to_svg(videos.spec | {"width": 500})
    assert drawn.count('aria-roledescription="bar"') == 6
    assert drawn.count('aria-roledescription="tick"') == 6
    for _, scores in videos.scores:
        assert scores["digit"] in drawn
        assert scores["direction"] in drawn
