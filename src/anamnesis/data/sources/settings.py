"""The keys of `source` in an entry of corpora.yaml: which files a corpus consists of, and their digests."""

from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from anamnesis.data.sources.patterns import matcher
from anamnesis.schema import Settings

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
SplitName = Literal["train", "valid", "test"]


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


class LiteralText(Settings):
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


Source = Annotated[Package | Url | Mixed | File | LiteralText | Sines, Field(discriminator="kind")]
