"""Reader of labelled passages: equal pieces of several texts, each with the label of its text."""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from anamnesis.data.readers.base import BaseCorpus
from anamnesis.data.readers.canonical import SEPARATOR
from anamnesis.data.readers.documents import write_labelled
from anamnesis.data.readers.splits import SPLITS, Cut, Splits, check_minimum, normalise
from anamnesis.data.readers.stories import Stories
from anamnesis.data.readers.text import Text, cut_file
from anamnesis.data.sources.local import Part
from anamnesis.data.sources.patterns import check_pattern, matcher
from anamnesis.errors import AnamnesisError
from anamnesis.schema import Settings

Item = TypeVar("Item")


class Labelled(Settings):
    """The texts of one label."""

    files: Annotated[str, AfterValidator(check_pattern)] = Field(
        min_length=1, description="path of a member, or a pattern as in a member's `path`"
    )
    reader: Literal["text", "tales", "works"] = Field("text", description="how the files are read, as for a corpus")
    begin: str | None = Field(None, min_length=1, description="as for `reader: text`")
    end: str | None = Field(None, min_length=1, description="as for `reader: text`")
    column: str = Field("Content", description="as for `reader: tales`")
    title: str | None = Field(None, description="as for `reader: tales`")
    straight_quotes: bool = Field(False, description="as for `reader: tales`")
    split: Cut | None = Field(None, description="null: the split of the corpus")

    @model_validator(mode="after")
    def _keys_fit_reader(self) -> Self:
        if self.reader != "text" and (self.begin or self.end):
            raise ValueError("`begin` and `end` need `reader: text`")
        if self.reader == "text" and {"column", "title", "straight_quotes"} & self.model_fields_set:
            raise ValueError("`column`, `title` and `straight_quotes` need `reader: tales` or `works`")
        return self


class PerLabel(Settings):
    """The largest number of passages of each label in each split."""

    train: int = Field(400, ge=1)
    valid: int = Field(100, ge=1)
    test: int = Field(100, ge=1)


class Passages(BaseCorpus):
    """Passages of several texts, each with the label of its text.

    Each text is first cut contiguously, at the places where `reader: text` cuts it; every label gets the same number of
    passages, spread evenly over its part of a split.
    """

    makes: ClassVar = "labelled passages"
    # `labels` selects files of an archive by their names.
    sources: ClassVar = ("package", "url", "mixed")
    reader: Literal["passages"]
    labels: dict[str, Labelled] = Field(min_length=2)
    length: int = Field(300, ge=2, description="largest number of characters of a passage, which ends between words")
    per_label: PerLabel = PerLabel()
    minimum: int = Field(1000, ge=2, description="characters that the text of each label must have")
    split: Cut = Cut()

    def read(self, parts: list[Part], folder: Path) -> dict[str, Any]:
        """Write `train.csv`, `valid.csv` and `test.csv` with the columns `label` and `text`.

        A label's texts are joined and cut as one text: no split here shares text with another split of a corpus that
        `reader: text` makes of the same text with the same settings. Of equal passages (`normalise`) one remains, in
        test rather than valid rather than train. See `BaseCorpus.read`.
        """
        texts = {label: self._read_label(label, labelled, parts) for label, labelled in self.labels.items()}
        seen: set[str] = set()
        passages: dict[str, dict[str, list[str]]] = {name: {label: [] for label in texts} for name in SPLITS}
        for name in reversed(SPLITS):
            for label, splits in texts.items():
                for document in splits[name]:
                    for passage in cut_passages(document, self.length):
                        key = normalise(passage)
                        if key not in seen:
                            seen.add(key)
                            passages[name][label].append(passage)
        counts: dict[str, Any] = {}
        for name in SPLITS:
            label, fewest = min(
                ((label, len(items)) for label, items in passages[name].items()), key=lambda pair: pair[1]
            )
            number = min(fewest, getattr(self.per_label, name))
            if not number:
                raise AnamnesisError(f"labels.{label}: no passage of {self.length} characters: {name} would be empty")
            rows = [(label, passage) for label, items in passages[name].items() for passage in spread(items, number)]
            counts[name] = write_labelled(folder / f"{name}.csv", rows)
        return counts

    def _read_label(self, label: str, labelled: Labelled, parts: list[Part]) -> Splits[str]:
        """The documents of each split of a label's texts."""
        pattern = matcher(labelled.files)
        selected = [part for part in parts if pattern.fullmatch(part.name)]
        if not selected:
            names = ", ".join(part.name for part in parts[:5]) + (", ..." if len(parts) > 5 else "")
            raise AnamnesisError(
                f"labels.{label}.files: found {labelled.files!r}, which selects no file; there are {names}"
            )
        if any(part.split for part in selected):
            raise AnamnesisError(f"labels.{label}: the source must not state the split of a file")
        split = labelled.split or self.split
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            if labelled.reader == "text":
                Text(
                    reader="text",
                    source=self.source,
                    begin=labelled.begin,
                    end=labelled.end,
                    minimum=self.minimum,
                    limit=self.limit,
                    split=split,
                ).read(selected, folder)
            else:
                self._cut_stories(label, labelled, selected, folder / "train.txt", split)
            return {name: (folder / f"{name}.txt").read_bytes().decode().split(SEPARATOR) for name in SPLITS}

    def _cut_stories(self, label: str, labelled: Labelled, parts: list[Part], path: Path, split: Cut) -> None:
        stories = Stories(
            reader="works" if labelled.reader == "works" else "tales",
            source=self.source,
            column=labelled.column,
            title=labelled.title,
            straight_quotes=labelled.straight_quotes,
        )
        content = SEPARATOR.join(text for part in parts for text in stories.texts(part))[: self.limit]
        check_minimum(len(content), self.minimum, "characters", f"labels.{label}")
        path.write_bytes(content.encode())
        cut_file(path, len(content), split, list(SPLITS[1:]))


def cut_passages(document: str, length: int) -> list[str]:
    """The consecutive passages of a document, each of whole words and as long as `length` characters allow.

    White space within a passage stays. A word longer than `length` is cut. A passage shorter than half of `length`, as
    may remain at the end, is left out.
    """
    pattern = rf"\S(?:[\s\S]{{0,{length - 2}}}\S)?(?!\S)|\S{{{length}}}"
    return [passage for passage in re.findall(pattern, document) if len(passage) * 2 >= length]


def spread(items: Sequence[Item], number: int) -> list[Item]:
    """`number` of the items, at equal distances; there must be at least so many."""
    return [items[index * len(items) // number] for index in range(number)]
