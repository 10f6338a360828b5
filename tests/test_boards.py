"""The leaderboards fit the tasks."""

from anamnesis import tasks
from anamnesis.boards import BOARDS


def test_every_task_has_its_board_and_the_ranking_metric_is_shown_first():
    assert set(tasks.NAMES) == BOARDS.keys()
    for board in BOARDS.values():
        assert board.metrics[0] == board.metric
        assert len(set(board.metrics)) == len(board.metrics)
