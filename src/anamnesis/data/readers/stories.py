"""Collections of texts: tales, the works of an author, the chapters of a book."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

from anamnesis.data.readers import ends, text
from anamnesis.data.readers.splits import NAMES, contiguous, fill, normalise
from anamnesis.data.readers.tables import orange_rows
from anamnesis.data.settings import Chapters, SplitName, Stories
from anamnesis.data.sources.sources import Part
from anamnesis.errors import AnamnesisError

# A tale of the collection starts with a line in capitals after exactly four blank lines, the first at the top.
HEADING = re.compile(r"(?:\A\n*|(?<=[^\n])\n{5})(?=[^\na-z]*+\n)(?=[^\nA-Z]*+[A-Z])")
STRAIGHT = str.maketrans("‘’‚‛“”„‟", "''''\"\"\"\"")


def read(corpus: Stories | Chapters, parts: list[Part], folder: Path) -> dict[str, Any]:
    """Write `train.txt`, `valid.txt` and `test.txt`, documents separated by a line with only a form feed.

    Chapters are cut contiguously; tales and works are drawn by the seed, equal texts to the same split, or the ends of
    the longer ones are held out (`ends.py`).

    Returns:
        The counts of each split; where ends are held out, also how many copies of other texts train lost.

    Raises:
        AnamnesisError: a file cannot be read as what it should be or has fewer texts than to be taken, there is too
            little text, or a split would be empty.
    """
    taken = corpus.take if isinstance(corpus, Stories) and corpus.take else [None] * len(parts)
    if len(taken) != len(parts):
        raise AnamnesisError(f"take: found {len(taken)} numbers; allowed: {len(parts)}, one for each file")
    given: dict[SplitName, list[str]] = {}
    for part, number in zip(parts, taken, strict=True):
        found = contents(part, corpus)
        if number is not None and number > len(found):
            raise AnamnesisError(f"take: found {number}; allowed: at most {len(found)}, as many as {part.name} has")
        given.setdefault(part.split or "train", []).extend(found[:number])
    given = {name: _limited(found, corpus.limit) for name, found in given.items()}
    total = sum(len(content) for found in given.values() for content in found)
    if total < corpus.minimum:
        raise AnamnesisError(f"{parts[0].name}: only {total:,} characters; at least {corpus.minimum:,} are needed")
    result, extra = _split(corpus, given)
    for name in NAMES:
        text.write_documents(folder, name, result[name])
    counts: dict[str, Any] = {name: text.count(folder / f"{name}.txt") for name in NAMES}
    counts["train"] |= extra
    return counts


def contents(part: Part, corpus: Stories | Chapters) -> list[str]:
    """The texts of a file in canonical form, blank ones left out. Raises AnamnesisError where it has another form."""
    found = _chapters(part) if isinstance(corpus, Chapters) else _stories(part, corpus)
    if isinstance(corpus, Stories) and corpus.straight_quotes:
        found = [content.translate(STRAIGHT) for content in found]
    return [content for content in map(clean, found) if content.strip()]


def clean(content: str) -> str:
    """A document in canonical form: no form feed, no blank lines around it, one LF at its end."""
    return content.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n").strip("\n") + "\n"


def _split(
    corpus: Stories | Chapters, given: dict[SplitName, list[str]]
) -> tuple[dict[SplitName, list[str]], dict[str, int]]:
    """The three splits, and counts to add to those of train."""
    if isinstance(corpus, Chapters):
        if set(given) == {"train"}:
            return contiguous(given["train"], list(map(len, given["train"])), corpus.split, "chapters"), {}
        if set(given) == set(NAMES) and all(given.values()):
            return given, {}
        raise AnamnesisError("chapters come from one source, or from all of train, valid and test, none empty")
    if corpus.split.by == "ends":
        if set(given) != {"train"}:
            raise AnamnesisError("split.by: found 'ends'; allowed: texts, as the source says which split a file is")
        result, lost = ends.held_out(given["train"], corpus.split, corpus.reader)
        return result, {"removed_as_duplicates": lost}
    by_share = corpus.split.valid < 1 and corpus.split.test < 1
    result, _ = fill(
        given,
        corpus.split,
        corpus.reader,
        keys=lambda content: [normalise(content)],
        weight=len if by_share else (lambda content: 1),
    )
    return result, {}


def _limited(found: list[str], limit: int | None) -> list[str]:
    """Every text shortened to the same share, so that all together have at most about `limit` characters."""
    total = sum(map(len, found))
    if limit is None or total <= limit:
        return found
    return [content[: max(1, len(content) * limit // total)].rstrip("\n") + "\n" for content in found]


def _chapters(part: Part) -> list[str]:
    if not part.name.endswith(".json"):
        return text.whole(part).split(text.SEPARATOR)
    content = text.json_of(part)
    if not isinstance(content, list) or not all(isinstance(item, str) for item in content):
        raise AnamnesisError(f"{part.name}: not a JSON list of texts")
    return content


def _stories(part: Part, corpus: Stories) -> list[str]:
    if part.name.endswith(".json"):
        return _chapters(part)
    content = text.whole(part)
    if part.name.endswith(".tab"):
        rows = orange_rows(content, part.name, [corpus.column, *([corpus.title] if corpus.title else [])])
        headings = [f"{row[corpus.title].upper()}\n\n" if corpus.title else "" for row in rows]
        return [head + row[corpus.column] for head, row in zip(headings, rows, strict=True)]
    if corpus.reader == "works":
        return [without_licence(content)]
    starts = [match.end() for match in HEADING.finditer(content)]
    if len(starts) < 3:
        raise AnamnesisError(f"{part.name}: fewer than 3 headings: lines in capitals after exactly four blank lines")
    # `clean` takes away the blank lines before the next heading.
    return [content[start:end] for start, end in pairwise([*starts, len(content)])]


def without_licence(content: str) -> str:
    """A book of Project Gutenberg without what stands outside its start and end lines."""
    data = content.encode()
    start, end = text.START.search(data), text.END.search(data)
    return data[start.end() if start else 0 : end.start() if end else len(data)].decode()
