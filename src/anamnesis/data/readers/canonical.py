"""Canonical text: UTF-8 with LF line ends and without a byte-order mark; a line with only a form feed separates
documents."""

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from anamnesis.data.sources.local import Part
from anamnesis.data.sources.settings import SplitName
from anamnesis.data.text.blocks import BLOCK, blocks
from anamnesis.errors import AnamnesisError

SEPARATOR = "\f\n"


def canonical_blocks(part: Part) -> Iterator[str]:
    """The canonical text of a file, in blocks.

    Raises:
        AnamnesisError: the file is not UTF-8.
    """
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    start = True
    for block in blocks(part.path, name=part.name):
        yield newlines.decode(block.removeprefix("\ufeff") if start else block)
        start = False
    yield newlines.decode("", final=True)


def read_text(part: Part) -> str:
    """The canonical text of a file that fits into memory. Raises AnamnesisError where it is not UTF-8."""
    return "".join(canonical_blocks(part))


def read_json(part: Part) -> Any:
    """The content of a JSON file that fits into memory.

    Raises:
        AnamnesisError: the file is not UTF-8 or not JSON, is nested too deeply, or holds half of a character.
    """
    try:
        content = json.loads(read_text(part))
        # UTF-8 cannot encode half of a surrogate pair, which JSON can escape.
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise AnamnesisError(f"{part.name}: found {half}, half of a character; allowed: both halves") from None
    except RecursionError:
        raise AnamnesisError(f"{part.name}: too many nested brackets") from None
    except ValueError as error:
        raise AnamnesisError(f"{part.name}: not valid JSON: {error}") from None
    return content


def write_documents(folder: Path, name: SplitName, documents: Iterable[str]) -> None:
    """Write the documents, each of which ends with LF, as one canonical text file."""
    with open(folder / f"{name}.txt", "w", encoding="utf-8", newline="\n") as file:
        file.write(SEPARATOR.join(documents))


def count(path: Path) -> dict[str, int]:
    """Characters, lines and documents of a canonical text file; the lines between documents do not count."""
    characters = lines = 0
    documents, previous = 1, "\n"
    with open(path, encoding="utf-8", newline="\n") as file:
        while piece := file.readline(BLOCK):
            if piece == SEPARATOR and previous.endswith("\n"):
                documents += 1
            else:
                characters += len(piece)
                lines += piece.endswith("\n")
            previous = piece
    return {"characters": characters, "lines": lines + (not previous.endswith("\n")), "documents": documents}


def count_characters(path: Path) -> int:
    """Unicode characters of a text file, separating lines included."""
    return sum(map(len, blocks(path)))
