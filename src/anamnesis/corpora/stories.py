"""Texts that stay whole: collections of tales, the works of an author, the chapters of a book."""

import csv
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anamnesis.corpora import text
from anamnesis.corpora.settings import Chapters, SplitName, Stories
from anamnesis.corpora.sources import Part
from anamnesis.corpora.splits import NAMES, contiguous, fill, normalise
from anamnesis.corpora.tables import orange_rows
from anamnesis.errors import AnamnesisError

# A tale of the collection starts with a line in capitals after exactly four blank lines, the first at the top.
HEADING = re.compile(r"(?:\A\n*|(?<=[^\n])\n{5})(?=(?P<title>[^\na-z]*[A-Z][^\na-z]*)\n)")


@dataclass(frozen=True)
class Story:
    """A text that stays whole."""

    name: str
    content: str


def read(corpus: Stories | Chapters, parts: list[Part], folder: Path) -> dict[str, Any]:
    """Write `train.txt`, `valid.txt` and `test.txt`, documents separated by a line with only a form feed.

    Chapters are cut contiguously; tales and works are drawn by the seed, equal texts to the same split.

    Returns:
        The counts of each split.

    Raises:
        AnamnesisError: a file cannot be read as what it should be, there is too little text, or a split would be empty.
    """
    given: dict[SplitName, list[Story]] = {}
    for part in parts:
        stories = _chapters(part) if isinstance(corpus, Chapters) else _stories(part, corpus)
        cleaned = (Story(story.name, clean(story.content)) for story in stories)
        given.setdefault(part.split or "train", []).extend(story for story in cleaned if story.content.strip())
    given = {name: _limited(stories, corpus.limit) for name, stories in given.items()}
    total = sum(len(story.content) for stories in given.values() for story in stories)
    if total < corpus.minimum:
        raise AnamnesisError(f"{parts[0].name}: only {total:,} characters; at least {corpus.minimum:,} are needed")
    if isinstance(corpus, Stories):
        by_share = corpus.split.valid < 1 and corpus.split.test < 1
        result, _ = fill(
            given,
            corpus.split,
            corpus.reader,
            keys=lambda story: [normalise(story.content)],
            weight=(lambda story: len(story.content)) if by_share else (lambda story: 1),
        )
    elif set(given) == {"train"}:
        weights = [len(story.content) for story in given["train"]]
        result = contiguous(given["train"], weights, corpus.split, "chapters")
    elif set(given) == set(NAMES) and all(given.values()):
        result = given
    else:
        raise AnamnesisError("chapters come from one source, or from all of train, valid and test, none empty")
    for name in NAMES:
        text.write_documents(folder, name, [story.content for story in result[name]])
    return {name: text.count(folder / f"{name}.txt") for name in NAMES}


def clean(content: str) -> str:
    """A document in canonical form: no form feed, no blank lines around it, one LF at its end."""
    return content.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n").strip("\n") + "\n"


def _limited(stories: list[Story], limit: int | None) -> list[Story]:
    """Every story shortened to the same share, so that all together have at most about `limit` characters."""
    total = sum(len(story.content) for story in stories)
    if limit is None or total <= limit:
        return stories
    shortened = ((story, max(1, len(story.content) * limit // total)) for story in stories)
    return [Story(story.name, story.content[:length].rstrip("\n") + "\n") for story, length in shortened]


def _chapters(part: Part) -> list[Story]:
    if not part.name.endswith(".json"):
        return [Story(part.name, content) for content in text.whole(part).split(text.SEPARATOR)]
    try:
        content = json.loads(text.whole(part))
    except ValueError as error:
        raise AnamnesisError(f"{part.name}: not valid JSON: {error}") from None
    if not isinstance(content, list) or not all(isinstance(item, str) for item in content):
        raise AnamnesisError(f"{part.name}: not a JSON list of texts")
    return [Story(f"{number}", item) for number, item in enumerate(content, 1)]


def _stories(part: Part, corpus: Stories) -> list[Story]:
    if part.name.endswith(".json"):
        return _chapters(part)
    content = text.whole(part)
    if part.name.endswith(".tab"):
        rows = orange_rows(csv.reader(io.StringIO(content), delimiter="\t"), part.name)
        for column in (corpus.column, *([corpus.title] if corpus.title else [])):
            if rows and column not in rows[0]:
                raise AnamnesisError(f"{part.name}: no column {column!r}; there are {', '.join(rows[0])}")
        headings = [f"{row[corpus.title].upper()}\n\n" if corpus.title else "" for row in rows]
        return [
            Story(f"{n}", head + row[corpus.column])
            for n, (head, row) in enumerate(zip(headings, rows, strict=True), 1)
        ]
    if corpus.reader == "works":
        return [Story(part.name, without_licence(content))]
    found = list(HEADING.finditer(content))
    if len(found) < 3:
        raise AnamnesisError(f"{part.name}: fewer than 3 headings: lines in capitals after exactly four blank lines")
    ends = [match.start() for match in found[1:]] + [len(content)]
    return [Story(match["title"], content[match.end() : end]) for match, end in zip(found, ends, strict=True)]


def without_licence(content: str) -> str:
    """A book of Project Gutenberg without what stands outside its start and end lines."""
    data = content.encode()
    start, end = text.START.search(data), text.END.search(data)
    return data[start.end() if start else 0 : end.start() if end else len(data)].decode()
