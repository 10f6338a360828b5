"""One corpus, from its source to `data/raw/NAME/`: canonical splits and where they come from."""

import re
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from anamnesis import files
from anamnesis.data.readers import sines
from anamnesis.data.settings import Corpus, File, Sines, Text
from anamnesis.data.sources import sources
from anamnesis.errors import AnamnesisError, ParamsError, hide_passwords
from anamnesis.params import NAME

READERS = {
    "text": "text",
    "tales": "stories",
    "works": "stories",
    "chapters": "stories",
    "series": "series",
    "documents": "documents",
    "passages": "passages",
    "pairs": "pairs",
    "digits": "digits",
}


def fetch(name: str, corpus: Corpus, root: Path = Path(".")) -> str:
    """Bring a corpus to `ROOT/data/raw/NAME/`: three splits and `provenance.json`, all or nothing.

    Args:
        name: the corpus's name in corpora.yaml.
        corpus: its entry.
        root: the project's folder; own files are in data/own/NAME of it.

    Returns:
        One line that says what there is.

    Raises:
        ParamsError: the name is none that a corpus can have.
        AnamnesisError: a source cannot be had, is not what its sha256 says, or does not make three splits.
    """
    if not re.fullmatch(NAME, name):
        raise ParamsError(f"{name!r} is no name of a corpus")
    network = sources.Network()
    source = corpus.source
    section = "own_corpora" if isinstance(source, File) else "corpora"
    with tempfile.TemporaryDirectory() as scratch, files.new_folder(root / "data" / "raw" / name) as folder:
        if isinstance(source, File):
            parts = sources.own(source, root / sources.OWN / name)
        elif isinstance(source, Text):
            parts = sources.literal(source, Path(scratch))
        elif isinstance(source, Sines):
            parts = sines.made(source, Path(scratch))
        else:
            parts = sources.released(name, source, network)
        try:
            counts = import_module(f"anamnesis.corpora.{READERS[corpus.reader]}").read(corpus, parts, folder)
        except AnamnesisError as error:
            raise type(error)(f"{section}.{name}: {error}") from None
        except OSError as error:
            raise AnamnesisError(f"{section}.{name}: {error.filename or folder}: {error.strerror}") from None
        files.write_json(folder / "provenance.json", provenance(name, corpus, parts, counts))
    received = f"; {network.received / 1e6:.1f} MB downloaded" if network.received else ""
    return _line(counts) + received


def provenance(name: str, corpus: Corpus, parts: list[sources.Part], counts: dict[str, Any]) -> dict[str, Any]:
    """Where a corpus comes from and what it holds: a pure function of the entry and the files."""
    source = corpus.source.model_dump(mode="json", exclude={"text"}, exclude_none=True)
    for file in source.get("files", []):
        if "url" in file:
            file["url"] = hide_passwords(file["url"])
    return {
        "corpus": name,
        "reader": corpus.reader,
        "licence": corpus.licence,
        "source": source,
        "files": [
            {
                "file": part.name,
                **({"archive": part.archive} if part.archive else {}),
                **({"split": part.split} if part.split else {}),
                "sha256": part.sha256,
                "bytes": part.path.stat().st_size,
            }
            for part in parts
        ],
        "splits": counts,
    }


def _line(counts: dict[str, Any]) -> str:
    unit = "characters" if "characters" in counts["train"] else "rows"
    sizes = ", ".join(f"{split} {counts[split][unit]:,}" for split in ("train", "valid", "test"))
    return f"{sizes} {unit}"
