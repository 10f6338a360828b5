"""Reader of a book in parts that follow each other."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from anamnesis.data.readers.base import BaseCorpus
from anamnesis.data.readers.canonical import SEPARATOR, read_text
from anamnesis.data.readers.splits import SPLITS, Cut, check_minimum, cut, read_parts
from anamnesis.data.readers.texts import characters, clean, read_list, shorten, write
from anamnesis.data.sources.local import Part
from anamnesis.errors import AnamnesisError


class Chapters(BaseCorpus):
    """A book in parts that follow each other, cut contiguously between parts.

    A `.json` file is a list of texts; in any other file, a line with only a form feed separates the parts.
    """

    makes: ClassVar = "running text"
    reader: Literal["chapters"]
    minimum: int = Field(1000, ge=2, description="characters that all chapters together must have")
    split: Cut = Cut()

    def read(self, parts: list[Part], folder: Path) -> dict[str, Any]:
        """Write `train.txt`, `valid.txt` and `test.txt`, as `BaseCorpus.read` says."""
        splits = shorten(read_parts(parts, _read), self.limit)
        check_minimum(characters(splits), self.minimum, "characters", parts[0].name)
        if set(splits) == {"train"}:
            splits = cut(splits["train"], list(map(len, splits["train"])), self.split, "chapters")
        elif set(splits) != set(SPLITS) or not all(splits.values()):
            raise AnamnesisError("chapters come from one source, or from all of train, valid and test, none empty")
        return write(splits, folder)


def _read(part: Part) -> list[str]:
    if part.name.endswith(".json"):
        return clean(read_list(part))
    return clean(read_text(part).split(SEPARATOR))
