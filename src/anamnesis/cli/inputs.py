"""The texts that a command is given, as arguments or on standard input."""

import os
import sys
from pathlib import Path

from anamnesis.console import printable
from anamnesis.errors import AnamnesisError, ParamsError


def given(texts: list[str] | None, what: str) -> list[str]:
    """The texts of the command line, or else the lines of standard input that are not blank.

    Raises:
        ParamsError: there is none; the line says that no `what` was given.
        AnamnesisError: a text is not UTF-8.
    """
    if texts:
        warn_of_file_names(texts)
    found = utf8(texts) if texts else [line for line in lines(what) if line.strip()]
    if not found:
        raise ParamsError(f"no {what}: standard input holds no line with text")
    return found


def lines(what: str) -> list[str]:
    """The lines of standard input, blank ones among them, without their ends.

    Raises:
        ParamsError: standard input is a terminal; the line says that no `what` was given.
        AnamnesisError: a line is not UTF-8.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise ParamsError(f"no {what}: give some in quotes, or a line each on standard input")
    data = sys.stdin.buffer.read()
    try:
        split = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise AnamnesisError(
            f"standard input, line {line}: found the byte 0x{data[error.start]:02x}; allowed: text in UTF-8"
        ) from None
    # What follows the last line's end is no line.
    return [line.removesuffix("\r") for line in (split if split[-1] else split[:-1])]


def utf8(texts: list[str]) -> list[str]:
    """Texts of the command line, in which bytes that are not UTF-8 have become halves of surrogate pairs.

    Raises:
        AnamnesisError: there is one.
    """
    for number, text in enumerate(texts, start=1):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise AnamnesisError(f"text {number}: character {error.start + 1} is not UTF-8") from None
    return texts


def warn_of_file_names(texts: list[str], folder: Path | None = None) -> None:
    """Say on standard error which texts are names of files, for the command reads the name and not the file.

    Args:
        folder: where the command was typed; None: the working directory.
    """
    for text in texts:
        # Unlike `Path.is_file`, this takes text of any length.
        if os.path.isfile(os.path.join(folder or "", text)):
            shown = printable(text)
            print(f"note: {shown} is a file, of which only the name was read; did you mean < {shown}?", file=sys.stderr)
