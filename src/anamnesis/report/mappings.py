"""The four mappings that a recurrent network can learn, by how many values go in and come out, and who learns them."""

from collections.abc import Iterable
from dataclasses import dataclass

from anamnesis.boards import BOARDS


@dataclass(frozen=True)
class Mapping:
    """One of the mappings; `boards` are the leaderboards of it that have results, by name with the question asked."""

    name: str
    text: str
    boards: dict[str, str]


MAPPINGS = (
    ("one-to-one", "A value in, the next value out.", ("forecasting",)),
    ("one-to-many", "An image in, its reading out, letter by letter: the image is the first state.", ("captioning",)),
    (
        "many-to-one",
        "A text, a video or a sentence with a blank in, one label or word out.",
        ("classification", "video", "cloze"),
    ),
    (
        "many-to-many",
        "At each step a token in and a guess at the next one out; or, with an encoder and a decoder (seq2seq), a whole "
        "sentence in and another of its own length out.",
        ("language", "translation"),
    ),
)


def mappings(boards: Iterable[str]) -> list[Mapping]:
    """The mappings that some of the named boards stand for, from one-to-one to many-to-many."""
    known = set(boards)
    found = [
        Mapping(name, text, {board: BOARDS[board].title for board in learnt if board in known})
        for name, text, learnt in MAPPINGS
    ]
    return [mapping for mapping in found if mapping.boards]
