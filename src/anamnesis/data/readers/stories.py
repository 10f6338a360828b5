"""Reader of collections of independent texts, such as tales or the works of an author."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from anamnesis.data.readers.base import BaseCorpus
from anamnesis.data.readers.canonical import read_text
from anamnesis.data.readers.ends import hold_out_ends
from anamnesis.data.readers.splits import Draw, Size, Splits, check_minimum, complete, normalise
from anamnesis.data.readers.tables import read_orange
from anamnesis.data.readers.text import find_book
from anamnesis.data.readers.texts import characters, clean, read_list, shorten, write
from anamnesis.data.sources.local import Part
from anamnesis.data.sources.settings import SplitName
from anamnesis.errors import AnamnesisError

# A tale of the collection starts with a line in capitals after exactly four blank lines, or at the top of the file.
HEADING = re.compile(r"(?:\A\n*|(?<=[^\n])\n{5})(?=[^\na-z]*+\n)(?=[^\nA-Z]*+[A-Z])")
STRAIGHT = str.maketrans("‘’‚‛“”„‟", "''''\"\"\"\"")


class StoryDraw(Draw):
    """Splits of a collection: each text goes to one split, or the end of every longer text is held out."""

    valid: Size = Field(
        0.05, description="below 1: share of the corpus; otherwise a number of texts, with `by: ends` of characters"
    )
    test: Size = Field(
        0.05, description="below 1: share of the corpus; otherwise a number of texts, with `by: ends` of characters"
    )
    by: Literal["texts", "ends"] = Field(
        "texts",
        description="texts: each text goes to one split; ends: of each text longer than `longer_than`, valid and test "
        "take the last part, test the very end, cut between sentences and in proportion to the text's length",
    )
    longer_than: int | None = Field(
        None, ge=1, description="characters; with `by: ends`, a text that is not longer belongs to train"
    )

    @model_validator(mode="after")
    def _keys_fit_by(self) -> Self:
        if self.by == "ends" and self.longer_than is None:
            raise ValueError("`by: ends` needs `longer_than`: the longest text, in characters, that train gets whole")
        if self.by == "ends" and "seed" in self.model_fields_set:
            raise ValueError("`by: ends` draws nothing, so it takes no `seed`")
        if self.by == "texts" and self.longer_than is not None:
            raise ValueError("`longer_than` needs `by: ends`")
        return self


class Stories(BaseCorpus):
    """A collection of texts.

    A `.tab` file is a table with a text column, a `.json` file a list of texts; any other file is one text (`works`) or
    a collection (`tales`).
    """

    makes: ClassVar = "running text"
    reader: Literal["tales", "works"]
    column: str = Field("Content", description="the column of a table that holds the text")
    title: str | None = Field(
        None, description="the column of a table with the title, which precedes the text in capitals; null: no title"
    )
    take: list[Annotated[int, Field(ge=1)]] | None = Field(
        None, min_length=1, description="how many texts to take of each file, its first ones; null: all"
    )
    straight_quotes: bool = Field(False, description="write curly quotation marks and apostrophes as straight ones")
    minimum: int = Field(1000, ge=2, description="characters that all texts together must have")
    split: StoryDraw = StoryDraw()

    def read(self, parts: list[Part], folder: Path) -> dict[str, Any]:
        """Write `train.txt`, `valid.txt` and `test.txt`, as `BaseCorpus.read` says.

        Equal texts go to the same split. Where ends are held out, train counts the copies of other texts that it lost.
        """
        if self.take and len(self.take) != len(parts):
            raise AnamnesisError(f"take: found {len(self.take)} numbers; allowed: {len(parts)}, one for each file")
        splits: dict[SplitName, list[str]] = {}
        numbers: Sequence[int | None] = self.take or [None] * len(parts)
        for part, number in zip(parts, numbers, strict=True):
            texts = self.texts(part)
            if number is not None and number > len(texts):
                raise AnamnesisError(f"take: found {number}; allowed: at most {len(texts)}, the texts of {part.name}")
            splits.setdefault(part.split or "train", []).extend(texts[:number])
        splits = shorten(splits, self.limit)
        check_minimum(characters(splits), self.minimum, "characters", parts[0].name)
        splits, counts = self._split(splits)
        result = write(splits, folder)
        result["train"] |= counts
        return result

    def texts(self, part: Part) -> list[str]:
        """The texts of a file in canonical form. Raises AnamnesisError where the file has another form."""
        return clean(text.translate(STRAIGHT) if self.straight_quotes else text for text in self._raw_texts(part))

    def _raw_texts(self, part: Part) -> Iterable[str]:
        if part.name.endswith(".json"):
            return read_list(part)
        content = read_text(part)
        if part.name.endswith(".tab"):
            rows = read_orange(content, part.name, [self.column, *([self.title] if self.title else [])])
            return [(f"{row[self.title].upper()}\n\n" if self.title else "") + row[self.column] for row in rows]
        if self.reader == "works":
            data = content.encode()
            first, end = find_book(data)
            return [data[first:end].decode()]
        starts = [match.end() for match in HEADING.finditer(content)]
        if len(starts) < 3:
            raise AnamnesisError(
                f"{part.name}: fewer than 3 headings: lines in capitals after exactly four blank lines"
            )
        return [content[start:end] for start, end in pairwise([*starts, len(content)])]

    def _split(self, given: Splits[str]) -> tuple[Splits[str], dict[str, int]]:
        """The three splits, and further counts of train."""
        if self.split.by == "ends":
            if set(given) != {"train"}:
                raise AnamnesisError("split.by: found 'ends'; allowed: texts, as the source says which split a file is")
            assert self.split.longer_than is not None
            result, lost = hold_out_ends(given["train"], self.split, self.split.longer_than, self.reader)
            return result, {"removed_as_duplicates": lost}
        by_share = self.split.valid < 1 and self.split.test < 1
        result, _ = complete(
            given,
            self.split,
            self.reader,
            keys=lambda text: [normalise(text)],
            weight=len if by_share else (lambda text: 1),
        )
        return result, {}
