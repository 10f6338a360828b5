"""Leaderboards fit the tasks; evaluations have the same question where scores compare, else another one."""

import pytest

from anamnesis import tasks
from anamnesis.boards import BOARDS, Question, leading
from anamnesis.metrics.results import labels_question, question
from anamnesis.tasks.memory.evaluation import recall_question
from anamnesis.tasks.memory.settings import Experiment as Memory
from anamnesis.tasks.translation.evaluation import sentences_question


def test_every_task_has_its_board_and_the_ranking_metric_is_shown_first():
    assert set(tasks.NAMES) == BOARDS.keys()
    for board in BOARDS.values():
        assert board.metrics[0] == board.metric
        assert len(set(board.metrics)) == len(board.metrics)


STATS = {"labels": ["a", "b"], "splits": {split: {"text_sha256": split * 3} for split in ("train", "valid", "test")}}
ASKED = ("asked", "valid", "test")


def differing(one, other):
    """The keys in which two questions differ."""
    return [key for key in ASKED if one[key] != other[key]]


def test_each_split_has_a_digest_of_its_own_facts():
    one = question("words", {"text": "x", "windows": 5}, {"text": "y"})
    assert differing(one, question("words", {"windows": 5, "text": "x"}, {"text": "y"})) == []
    assert differing(one, question("words", {"text": "x", "windows": 2}, {"text": "y"})) == ["valid"]
    assert differing(one, question("words", {"text": "x", "windows": 5}, {"text": "z"})) == ["test"]


def test_classifiers_of_the_same_documents_answer_the_same_question():
    words = STATS | {"kind": "words", "vocabulary_size": 9}
    characters = STATS | {"kind": "characters", "vocabulary_size": 3}
    assert differing(labels_question(words), labels_question(characters)) == []
    assert differing(labels_question(words), labels_question(words | {"labels": ["a", "b", "c"]})) == [*ASKED]


def test_translations_compare_by_one_way_to_count():
    texts = {"valid": (["a"], ["b"]), "test": (["c"], ["d"])}
    signatures = {"bleu": "nrefs:1|case:mixed|tok:13a|smooth:exp", "chrf": "nc:6"}
    one = sentences_question(texts, signatures)
    assert "13a" in one["asked"]
    assert differing(one, sentences_question(texts, signatures | {"bleu": "nrefs:1|tok:zh|smooth:exp"})) == [*ASKED]
    assert differing(one, sentences_question(texts | {"test": (["c"], ["e"])}, signatures)) == ["test"]
    # A sentence more on one side, and one less on the other, is no shift from one list to the next.
    assert differing(one, sentences_question(texts | {"test": (["c", "d"], [])}, signatures)) == ["test"]


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"recall": {"steps": 9, "seeds": 1}}, True),
        ({"training": {"epochs": 7}}, True),
        ({"recall": {"lags": [5, 10]}}, False),
        ({"recall": {"symbols": 1}}, False),
        ({"recall": {"accuracy": 0.5}}, False),
    ],
)
def test_the_question_of_memory_depends_on_lags_and_symbols_not_on_training(changes, same):
    content = {"task": "memory", "tokens": "t", "model": {"architecture": "rnn"}}
    one, other = (recall_question(Memory.model_validate(content | more), STATS) for more in ({}, changes))
    assert (one["valid"] == other["valid"] and one["test"] == other["test"]) is same


def test_the_leading_question_has_the_most_entrants_and_of_equally_many_is_the_first():
    one, two, other = (
        Question("cloze", corpus, digest, digest) for corpus, digest in (("a", "1"), ("a", "2"), ("b", "3"))
    )
    assert leading({one: 2, two: 2, other: 1}) == {("cloze", "a"): one, ("cloze", "b"): other}
    assert leading({one: 2, two: 3}) == {("cloze", "a"): two}
