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
        raise ValueError("a path relative to the corpus's own folder, data/own/CORPUS, such as mybook.txt")
    return path


class Member(Settings):
    """One file of an archive, or all whose path fits a pattern."""

    path: Annotated[str, AfterValidator(_inside)] = Field(
        description="path inside the archive; `!/` enters an archive inside the archive; `*`, `?` (within a name), "
        "`**/` (any folders, or none) and `{a,b}` select several files"
    )
    sha256: Sha256 = Field(
        description="digest of the file; for a pattern, of what `sha256sum` prints for the files, sorted by path"
    )
    split: SplitName | None = Field(None, description="split of the file; null: the split settings decide")


class PackageFile(Settings):
    """A file of a released Python package. It is read, never installed; none of its code runs."""

    package: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", description="the project's name")
    file: str = Field(
        pattern=r"^[^/\\]+\.(whl|zip|tar\.gz|tgz|tar\.bz2|tar\.xz)$",
        description="name of the release's file; a wheel is read in parts, anything else is downloaded whole",
    )
    members: list[Member] = Field(min_length=1)


class UrlFile(Settings):
    """A file on the web."""

    url: str = Field(pattern=r"^https://[^\s]+$", description="https address")
    sha256: Sha256 | None = Field(None, description="digest of the whole file")
    git_blob: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = Field(
        None, description="instead of `sha256`: the id of the whole file in Git"
    )
    members: list[Member] = Field([], description="the files to read, if the address is an archive")
    split: SplitName | None = Field(None, description="split of the file; null: the split settings decide")
    mirror: Annotated[str, AfterValidator(_inside)] | None = Field(
        None, description="path of the file in a mirror; null: the corpus's name, and the last part of the address"
    )
    variant: str | None = Field(
        None, min_length=1, description="use the file only if `variant` of the source is this; null: always"
    )

    @model_validator(mode="after")
    def _check_pins(self) -> Self:
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
    """Files on the web, each pinned by its sha256 or its id in Git."""

    kind: Literal["url"]
    variant: str | None = Field(None, description="use the files of this variant, and those without one")
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
    """A file of a released package, as part of a mixed source."""

    kind: Literal["package"]


class OneOfUrl(UrlFile):
    """A file on the web, as part of a mixed source."""

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
    """The user's own files: one, or one for each split, in the corpus's own folder data/own/CORPUS."""

    kind: Literal["file"]
    path: OwnPath | None = Field(None, description="the file, relative to that folder; `split` divides it")
    train: OwnPath | None = Field(None, description="the training split's file")
    valid: OwnPath | None = Field(None, description="the validation split's file; null: a part of `train`")
    test: OwnPath | None = Field(None, description="the test split's file; null: a part of `train`")

    @model_validator(mode="after")
    def _one_or_splits(self) -> Self:
        if self.path and (self.train or self.valid or self.test):
            raise ValueError("either `path`, or `train` with `valid` and `test`, not both")
        if not self.path and not self.train:
            raise ValueError("`path`, or `train` with `valid` and `test`, must be given")
        return self


class LiteralText(Settings):
    """The text itself, in corpora.yaml."""

    kind: Literal["literal"]
    text: str = Field(min_length=2)
    same: bool = Field(
        False,
        description="use the text as train, valid and test: a toy to show whether a model can memorise, whose scores "
        "do not generalise to new text",
    )


class Wave(Settings):
    """One sine wave: amplitude * sin(2 pi t / period + phase) at the time t = 0, 1, 2, ..."""

    amplitude: float = Field(1.0, gt=0)
    period: float = Field(gt=0, description="time steps of one period")
    phase: float = Field(0.0, description="radians")


class Sines(Settings):
    """A computed series: a sum of sine waves. In time, train comes first, then valid, then test."""

    kind: Literal["sines"]
    waves: list[Wave] = Field(min_length=1)
    noise: float = Field(0.0, ge=0, description="standard deviation of normal noise on every value")
    seed: int = Field(1, ge=0, le=2**32 - 1, description="seed of the noise")
    train: int = Field(500, ge=1, description="values")
    valid: int = Field(100, ge=1, description="values, after those of train")
    test: int = Field(250, ge=1, description="values, after those of valid")


Source = Annotated[Package | Url | Mixed | File | LiteralText | Sines, Field(discriminator="kind")]
