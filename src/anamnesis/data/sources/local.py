"""Files of a source that needs no download: the user's own files, and text in corpora.yaml."""

from dataclasses import dataclass
from pathlib import Path

from anamnesis import files
from anamnesis.data.sources.settings import File, LiteralText, SplitName
from anamnesis.errors import AnamnesisError

# The folder of each own corpus is below this one; DVC watches it for the fetch stage of that corpus.
OWN = Path("data/own")


@dataclass(frozen=True)
class Part:
    """One verified file of a source.

    Attributes:
        name: the path inside its archive, or the name of the file.
        path: where its bytes are.
        sha256: digest of the bytes.
        split: the split that the source assigns the file to; None: the reader decides.
        archive: the archive's name or the file's address; None for the user's own files.
    """

    name: str
    path: Path
    sha256: str
    split: SplitName | None = None
    archive: str | None = None


def own_files(source: File, folder: Path) -> list[Part]:
    """The user's own files in the folder of their corpus.

    Raises:
        AnamnesisError: a file does not exist or cannot be read.
    """
    named: list[tuple[str | None, SplitName | None]] = [(source.path, None), (source.train, "train")]
    named += [(source.valid, "valid"), (source.test, "test")]
    parts = []
    for name, split in named:
        if name is not None:
            path = folder / name
            if not path.is_file():
                raise AnamnesisError(f"{path}: no such file; put it there")
            try:
                parts.append(Part(name, path, files.sha256_file(path), split))
            except OSError as error:
                raise AnamnesisError(f"{path}: cannot be read: {error.strerror}") from None
    return parts


def literal_text(source: LiteralText, folder: Path) -> list[Part]:
    """The text of corpora.yaml, written to a file of `folder`; with `same`, the file of all three splits."""
    path = folder / "text"
    path.write_bytes(source.text.encode())
    splits: list[SplitName | None] = ["train", "valid", "test"] if source.same else [None]
    return [Part("params.yaml", path, files.sha256_file(path), split) for split in splits]
