"""The keys that corpora of all readers share, and the method that a reader implements."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from anamnesis.data.sources.local import Part
from anamnesis.data.sources.settings import Source
from anamnesis.schema import Settings


class BaseCorpus(Settings):
    """The keys that all corpora share. A reader adds `reader`, `minimum`, `split` and keys of its own."""

    source: Source
    licence: str = Field("not stated", min_length=1, description="licence of the text")
    limit: int | None = Field(
        None, ge=1, description="use only the first characters (of a text) or rows (of a table); null: all"
    )

    # What the reader makes of the files; `accepts` of a token store's class lists what that store can hold.
    makes: ClassVar[str]
    # Kinds of `source` that the reader can read.
    sources: ClassVar[tuple[str, ...]] = ("package", "url", "mixed", "file")

    @model_validator(mode="after")
    def _reader_can_read_source(self) -> Self:
        if self.source.kind not in self.sources:
            reader = getattr(self, "reader", "")
            allowed = ", ".join(self.sources)
            raise ValueError(f"source.kind: found {self.source.kind!r}; allowed for `reader: {reader}`: {allowed}")
        return self

    @abstractmethod
    def read(self, parts: list[Part], folder: Path) -> dict[str, Any]:
        """Write the three splits, as `.txt` or `.csv` files, to `folder`.

        Args:
            parts: the verified files of the source.
            folder: an empty folder.

        Returns:
            Counts of each split, by name, for provenance.json.

        Raises:
            AnamnesisError: a file has another form than the reader expects, or a split would be empty.
        """
