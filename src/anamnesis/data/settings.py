"""The keys of an entry of `corpora` and `own_corpora`: where its files come from, how they are read and split."""

import re
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from anamnesis.data.sources.patterns import matcher
from anamnesis.schema import Settings

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
SplitName = Literal["train", "valid", "test"]


def _pattern(path: str) -> str:
    matcher(path)
    return path


def _inside(path: str) -> str:
    for step in path.split("!/"):
        pure = PurePosixPath(step)
        if not step or pure.is_absolute() or ".." in pure.parts or "\\" in step:
            raise ValueError("a relative path with forward slashes and without '..'; '!/' enters a nested archive")
        matcher(step)
    return path


def _in_own_folder(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or path.startswith(("~", "data/own/")):
        raise ValueError("a path from the corpus's own folder on, data/own/CORPUS, such as mybook.txt")
    return path


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"a regular expression; this one is none: {error}") from None
    return text


def _share_or_count(size: float) -> float:
    if size >= 1 and size != int(size):
        raise ValueError("a share below 1, or a whole number")
    return size


class Member(Settings):
    """One file of an archive, or all whose path fits a pattern."""

    path: Annotated[str, AfterValidator(_inside)] = Field(
        description="path inside the archive; `!/` enters an archive inside the archive; `*`, `?` (not across `/`), "
        "`**/` (any folders, also none) and `{a,b}` select several files"
    )
    sha256: Sha256 = Field(
        description="of the file; where `path` is a pattern, of the list that `sha256sum` prints for the files, "
        "sorted by path"
    )
    split: SplitName | None = Field(None, description="the split this file is; null: the split settings decide")


class PackageFile(Settings):
    """A file that a released Python package consists of. It is read, never installed; none of its code runs."""

    package: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", description="the project's name")
    file: str = Field(
        pattern=r"^[^/\\]+\.(whl|zip|tar\.gz|tgz|tar\.bz2|tar\.xz)$",
        description="name of the release's file; a wheel is read in parts, anything else is downloaded whole",
    )
    members: list[Member] = Field(min_length=1)


class UrlFile(Settings):
    """A file on the web."""

    url: str = Field(pattern=r"^https://[^\s]+$", description="https address")
    sha256: Sha256 | None = Field(None, description="of the whole file")
    git_blob: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = Field(
        None, description="in place of `sha256`: the id that git gives the whole file's content"
    )
    members: list[Member] = Field([], description="the files to read where the address is an archive's")
    split: SplitName | None = Field(None, description="the split this file is; null: the split settings decide")
    mirror: Annotated[str, AfterValidator(_inside)] | None = Field(
        None, description="where the file lies in a mirror; null: under the corpus's name, by the address's last part"
    )
    variant: str | None = Field(
        None, min_length=1, description="the file is used only where `variant` of the source says this; null: always"
    )

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if (self.sha256 is None) == (self.git_blob is None):
            raise ValueError("an address needs one of `sha256` and `git_blob`")
        if self.git_blob is not None and self.members:
            raise ValueError("an archive is pinned by `sha256`, not by `git_blob`")
        return self


class Package(Settings):
    """Files of released packages, found through the package index that pip is configured for."""

    kind: Literal["package"]
    files: list[PackageFile] = Field(min_length=1)


class Url(Settings):
    """Files on the web, each pinned by its sha256 or the id git gives it."""

    kind: Literal["url"]
    variant: str | None = Field(None, description="which of the files that name a variant are used")
    files: list[UrlFile] = Field(min_length=1)

    @model_validator(mode="after")
    def _variant_is_one(self) -> Self:
        allowed = list(dict.fromkeys(file.variant for file in self.files if file.variant))
        if self.variant is None and allowed:
            raise ValueError(f"`variant` is missing, it must be given; allowed: {', '.join(allowed)}")
        if self.variant is not None and self.variant not in allowed:
            raise ValueError(f"variant: found {self.variant!r}; allowed: {', '.join(allowed) or '(none)'}")
        return self


class OneOfPackage(PackageFile):
    """A file of a released package, among others from elsewhere."""

    kind: Literal["package"]


class OneOfUrl(UrlFile):
    """A file on the web, among others from elsewhere."""

    kind: Literal["url"]

    @model_validator(mode="after")
    def _no_variant(self) -> Self:
        if self.variant is not None:
            raise ValueError("`variant` needs a source of kind url")
        return self


class Mixed(Settings):
    """Files of released packages beside files on the web."""

    kind: Literal["mixed"]
    files: list[Annotated[OneOfPackage | OneOfUrl, Field(discriminator="kind")]] = Field(min_length=1)


OwnPath = Annotated[str, Field(min_length=1), AfterValidator(_in_own_folder)]


class File(Settings):
    """The user's own: one file, or one for each split, in the corpus's own folder data/own/CORPUS."""

    kind: Literal["file"]
    path: OwnPath | None = Field(None, description="the file, from that folder on; it is split here")
    train: OwnPath | None = Field(None, description="the training split's file")
    valid: OwnPath | None = Field(None, description="the validation split's; null: a part of `train`")
    test: OwnPath | None = Field(None, description="the test split's; null: a part of `train`")

    @model_validator(mode="after")
    def _one_or_splits(self) -> Self:
        if self.path and (self.train or self.valid or self.test):
            raise ValueError("either `path`, or `train` with `valid` and `test`, not both")
        if not self.path and not self.train:
            raise ValueError("`path`, or `train` with `valid` and `test`")
        return self


class Text(Settings):
    """The text itself, in corpora.yaml."""

    kind: Literal["literal"]
    text: str = Field(min_length=2)
    same: bool = Field(
        False,
        description="use the one text as train, valid and test: a toy that shows whether a model can memorise, "
        "whose scores say nothing about new text",
    )


class Wave(Settings):
    """One sine wave: amplitude * sin(2 pi t / period + phase) at the time t = 0, 1, 2, ..."""

    amplitude: float = Field(1.0, gt=0)
    period: float = Field(gt=0, description="time steps until it repeats itself")
    phase: float = Field(0.0, description="radians")


class Sines(Settings):
    """A series that is made: a sum of sine waves. In time, train comes first, then valid, then test."""

    kind: Literal["sines"]
    waves: list[Wave] = Field(min_length=1)
    noise: float = Field(0.0, ge=0, description="standard deviation of normal noise on every value")
    seed: int = Field(1, ge=0, le=2**32 - 1, description="of the noise")
    train: int = Field(500, ge=1, description="values")
    valid: int = Field(100, ge=1, description="values, right after those of train")
    test: int = Field(250, ge=1, description="values, right after those of valid")


Source = Annotated[Package | Url | Mixed | File | Text | Sines, Field(discriminator="kind")]
Size = Annotated[float, Field(gt=0), AfterValidator(_share_or_count)]


class Cut(Settings):
    """Contiguous splits: train, then valid, then test, in the order of the source."""

    valid: Size = Field(0.05, description="below 1: share of the whole; otherwise characters, rows or chapters")
    test: Size = Field(0.05, description="below 1: share of the whole; otherwise characters, rows or chapters")

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if self.valid < 1 and self.test < 1 and self.valid + self.test >= 1:
            raise ValueError("shares of valid and test that leave something for train")
        return self


class Draw(Cut):
    """Seeded splits: what goes into valid and test is drawn."""

    valid: Size = Field(0.1, description="below 1: share of the whole; otherwise a number")
    test: Size = Field(0.1, description="below 1: share of the whole; otherwise a number")
    seed: int = Field(1, ge=0, le=2**32 - 1, description="of the draw")


class StoryDraw(Draw):
    """Splits of texts: whole texts are drawn, or the end of every longer text is held out."""

    valid: Size = Field(0.05, description="below 1: share of the whole; otherwise a number, with `by: ends` characters")
    test: Size = Field(0.05, description="below 1: share of the whole; otherwise a number, with `by: ends` characters")
    by: Literal["texts", "ends"] = Field(
        "texts",
        description="texts: each goes to one split as a whole; ends: of each text longer than `longer_than`, valid and "
        "test take the last part, test the very end, cut between sentences and in proportion to its length",
    )
    longer_than: int | None = Field(
        None, ge=1, description="characters; with `by: ends`, a text that is not longer is train as a whole"
    )

    @model_validator(mode="after")
    def _what_ends_need(self) -> Self:
        if self.by == "ends" and self.longer_than is None:
            raise ValueError(
                "`by: ends` needs `longer_than`: the longest text, in characters, that is train as a whole"
            )
        if self.by == "ends" and "seed" in self.model_fields_set:
            raise ValueError("`by: ends` draws nothing, so it takes no `seed`")
        if self.by == "texts" and self.longer_than is not None:
            raise ValueError("`longer_than` needs `by: ends`")
        return self


class Common(Settings):
    """The keys every corpus has."""

    # What the reader makes of the files; `accepts` of a token store's class lists what that store can hold.
    makes: ClassVar[str]

    source: Source
    licence: str = Field("not stated", min_length=1, description="under what terms the text may be used")
    limit: int | None = Field(
        None, ge=1, description="use only so many characters (of a text) or rows (of a table); cut before splitting"
    )

    @model_validator(mode="after")
    def _literal_is_text(self) -> Self:
        if isinstance(self.source, Text) and not isinstance(self, Book):
            raise ValueError("a source of kind literal needs `reader: text`")
        if isinstance(self.source, Sines) and not isinstance(self, Series):
            raise ValueError("a source of kind sines needs `reader: series`")
        return self


class Book(Common):
    """Running text, cut contiguously at ends of lines."""

    makes: ClassVar = "running text"
    reader: Literal["text"]
    begin: str | None = Field(
        None, min_length=1, description="the text starts with these characters, at their first place"
    )
    end: str | None = Field(
        None, min_length=1, description="the text ends with these, at their first place after `begin`"
    )
    leave_out: Annotated[str, AfterValidator(_expression)] | None = Field(
        None,
        min_length=1,
        description="regular expression; lines that fit it from end to end are left out, such as chapter headings. "
        "One with nested repeats, as `(a+)+`, may take very long on a long line",
    )
    minimum: int = Field(1000, ge=2, description="characters the text must have")
    split: Cut = Cut()


class Stories(Common):
    """A collection of texts. The members' names say how they are read: `.tab` a table with a text column, `.json` a
    list of texts, anything else a plain text (`works`) or a collection (`tales`)."""

    makes: ClassVar = "running text"
    reader: Literal["tales", "works"]
    column: str = Field("Content", description="the column of a table that holds the text")
    title: str | None = Field(
        None, description="the column of a table that heads the text, in capitals; null: no heading"
    )
    take: list[Annotated[int, Field(ge=1)]] | None = Field(
        None, min_length=1, description="how many texts to take of each file, its first ones; null: all"
    )
    straight_quotes: bool = Field(False, description="write curly quotation marks and apostrophes as straight ones")
    minimum: int = Field(1000, ge=2, description="characters that all the texts together must have")
    split: StoryDraw = StoryDraw()


class Chapters(Common):
    """A book in parts that follow each other, cut contiguously between parts."""

    makes: ClassVar = "running text"
    reader: Literal["chapters"]
    minimum: int = Field(1000, ge=2, description="characters that all the chapters together must have")
    split: Cut = Cut()


class Series(Common):
    """Numbers in the order of time, from a table with a header row; the splits are contiguous in time.

    Each time is there once, in ascending order. An offset from UTC that all dates have is left out.
    """

    makes: ClassVar = "a series"
    reader: Literal["series"]
    time: str = Field("time", description="the column with the time")
    value: str = Field("value", description="the column with the number")
    calendar: Literal["text", "decimal-year"] = Field(
        "text",
        description="how the time is written; text: as a number in every row, or as a date in every row (2020-01, "
        "2020-01-31, 2020-01-31 12:00); decimal-year (1749.0833 is 1749-02) becomes year and month",
    )
    minimum: int = Field(30, ge=3, description="rows the series must have")
    split: Cut = Cut(valid=0.1, test=0.1)

    @model_validator(mode="after")
    def _what_is_made_is_known(self) -> Self:
        given = [key for key in ("time", "value", "calendar", "split") if key in self.model_fields_set]
        if isinstance(self.source, Sines) and given:
            raise ValueError(f"a source of kind sines has its own columns and splits: remove `{given[0]}`")
        return self


class Documents(Common):
    """Labelled documents. A published test split stays as it is; texts of it are removed from train."""

    makes: ClassVar = "labelled documents"
    reader: Literal["documents"]
    columns: list[str] | None = Field(None, description="names of the columns; null: the first row has them")
    heading: list[str] | None = Field(
        None, min_length=1, description="beside `columns`: a first row that says this is left out, in any of the files"
    )
    label: str = Field("label", description="the column with the label")
    text: list[str] = Field(
        ["text"], min_length=1, description="the columns with the text, which are joined by a space"
    )
    minimum: int = Field(30, ge=3, description="documents there must be")
    split: Draw = Draw()


class Pairs(Common):
    """Sentences and their translations. No sentence of either language is on both sides of a split.

    A member that ends with `.mo` is a gettext catalogue; `.json` files come in twos, named en and nl (or as `languages`
    says); anything else is text with `source TAB target` on every line.
    """

    makes: ClassVar = "sentence pairs"
    reader: Literal["pairs"]
    languages: list[str] = Field(["en", "nl"], min_length=2, max_length=2, description="codes of source and target")
    minimum_words: int = Field(
        1, ge=1, description="words both sentences must have; characters, in a language without spaces between words"
    )
    plain: bool = Field(False, description="leave out pairs with placeholders, markup or addresses, or equal sides")
    placeholders: bool = Field(
        False,
        description="keep a pair that `plain` leaves out for its placeholders, tags or addresses (`%s`, `{name}`, "
        "`<b>`) if both sentences have the same; they do not count as words",
    )
    minimum: int = Field(30, ge=3, description="pairs there must be")
    split: Draw = Draw()

    @model_validator(mode="after")
    def _placeholders_need_plain(self) -> Self:
        if self.placeholders and not self.plain:
            raise ValueError("placeholders: found true; allowed: false, unless `plain` is true, without which all stay")
        return self


class Digits(Common):
    """Handwritten digits: rows of 64 pixel values (0 to 16, a row of 8 after the other) and the digit."""

    makes: ClassVar = "images"
    reader: Literal["digits"]
    minimum: int = Field(30, ge=3, description="images there must be")
    split: Draw = Draw()


class Labelled(Settings):
    """The texts that one label stands for."""

    files: Annotated[str, AfterValidator(_pattern)] = Field(
        min_length=1, description="path of the member, or a pattern as in a member's `path`"
    )
    reader: Literal["text", "tales", "works"] = Field("text", description="how the files are read, as for a corpus")
    begin: str | None = Field(None, min_length=1, description="as for `reader: text`")
    end: str | None = Field(None, min_length=1, description="as for `reader: text`")
    column: str = Field("Content", description="as for `reader: tales`")
    title: str | None = Field(None, description="as for `reader: tales`")
    straight_quotes: bool = Field(False, description="as for `reader: tales`")
    split: Cut | None = Field(None, description="null: the split of the corpus")

    @model_validator(mode="after")
    def _keys_of_the_reader(self) -> Self:
        if self.reader != "text" and (self.begin or self.end):
            raise ValueError("`begin` and `end` need `reader: text`")
        if self.reader == "text" and {"column", "title", "straight_quotes"} & self.model_fields_set:
            raise ValueError("`column`, `title` and `straight_quotes` need `reader: tales` or `works`")
        return self


class PerLabel(Settings):
    """How many passages each label has in each split at most."""

    train: int = Field(400, ge=1)
    valid: int = Field(100, ge=1)
    test: int = Field(100, ge=1)


class Passages(Common):
    """Passages of several texts, each with the label of its text. Each text is first cut contiguously, at the places
    where `reader: text` cuts it; every label gets equally many passages, spread evenly over its part of a split."""

    makes: ClassVar = "labelled passages"
    reader: Literal["passages"]
    labels: dict[str, Labelled] = Field(min_length=2)
    length: int = Field(300, ge=2, description="characters a passage has at most; it ends between words")
    per_label: PerLabel = PerLabel()
    minimum: int = Field(1000, ge=2, description="characters that the text of each label must have")
    split: Cut = Cut()

    @model_validator(mode="after")
    def _files_have_names(self) -> Self:
        if isinstance(self.source, File):
            raise ValueError(
                "`reader: passages` needs a source of kind package, url or mixed, whose files `labels` names"
            )
        return self


Corpus = Annotated[
    Book | Stories | Chapters | Series | Documents | Passages | Pairs | Digits,
    Field(discriminator="reader"),
]
