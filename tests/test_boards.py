"""The leaderboards fit the experiments and what the evaluations write."""

from typing import get_args

from anamnesis import params
from anamnesis.boards import BOARDS


def leaves(kind):
    kind = params._plain(kind)
    options = get_args(kind)
    return [leaf for option in options for leaf in leaves(option)] if options else [kind]


def test_every_kind_of_experiment_has_its_board_and_every_board_its_kind():
    assert {kind.task for kind in leaves(params.Experiment)} == BOARDS.keys()


def test_the_metric_that_decides_is_shown_first():
    for board in BOARDS.values():
        assert board.metrics[0] == board.metric
        assert len(set(board.metrics)) == len(board.metrics)
