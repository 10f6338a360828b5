"""The fetch stage: from a corpus's source to `data/raw/NAME/`, with canonical splits and their provenance."""

import re
import tempfile
from pathlib import Path
from typing import Any

from anamnesis import files
from anamnesis.data.settings import Corpus
from anamnesis.data.sources.local import OWN, Part, literal_text, own_files
from anamnesis.data.sources.released import Network, released_files
from anamnesis.data.sources.settings import File, LiteralText, Sines
from anamnesis.data.sources.sines import write_sines
from anamnesis.errors import AnamnesisError, ParamsError, hide_passwords
from anamnesis.params import NAME
from anamnesis.project import home


def fetch(name: str, corpus: Corpus, root: Path = Path(".")) -> str:
    """Write `ROOT/data/raw/NAME/`: three splits and `provenance.json`, all or nothing.

    Args:
        name: the corpus's name in corpora.yaml.
        corpus: its settings.
        root: the folder of the project or of a profile; the corpus's own files are in `data/own/NAME` of the
            project.

    Returns:
        One line with the sizes of the splits.

    Raises:
        ParamsError: no corpus can have this name.
        AnamnesisError: a file is not available, has another digest, or does not make three splits.
    """
    if not re.fullmatch(NAME, name):
        raise ParamsError(f"{name!r} cannot be the name of a corpus")
    network = Network()
    source = corpus.source
    with tempfile.TemporaryDirectory() as temporary, files.new_folder(root / "data" / "raw" / name) as folder:
        if isinstance(source, File):
            parts = own_files(source, home(root) / OWN / name)
        elif isinstance(source, LiteralText):
            parts = literal_text(source, Path(temporary))
        elif isinstance(source, Sines):
            parts = write_sines(source, Path(temporary))
        else:
            parts = released_files(name, source, network)
        key = f"{'own_corpora' if isinstance(source, File) else 'corpora'}.{name}"
        try:
            counts = corpus.read(parts, folder)
        except AnamnesisError as error:
            raise type(error)(f"{key}: {error}") from None
        except OSError as error:
            raise AnamnesisError(f"{key}: {error.filename or folder}: {error.strerror}") from None
        files.write_json(folder / "provenance.json", provenance(name, corpus, parts, counts))
    unit = "characters" if "characters" in counts["train"] else "rows"
    sizes = ", ".join(f"{split} {counts[split][unit]:,}" for split in ("train", "valid", "test"))
    received = f"; {network.received / 1e6:.1f} MB downloaded" if network.received else ""
    return f"{sizes} {unit}{received}"


def provenance(name: str, corpus: Corpus, parts: list[Part], counts: dict[str, Any]) -> dict[str, Any]:
    """The content of provenance.json: the source of a corpus, its files and counts; a pure function of these."""
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
