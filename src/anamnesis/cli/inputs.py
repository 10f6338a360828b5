"""The texts for a command, from its arguments or from standard input."""

import os
import sys
from pathlib import Path

from anamnesis.console import printable
from anamnesis.errors import AnamnesisError, ParamsError


def read_texts(texts: list[str] | None, what: str) -> list[str]:
    """The texts of the command line, or else the lines of standard input that are not blank.

    Args:
        texts: the arguments of the command.
        what: the kind of text, for errors, such as "sentence".

    Raises:
        ParamsError: there is no text.
        AnamnesisError: a text is not UTF-8.
    """
    if texts:
        warn_about_files(texts)
    given = check_utf8(texts) if texts else [line for line in read_lines(what) if line.strip()]
    if not given:
        raise ParamsError(f"no {what}: standard input has no line with text")
    return given


def read_lines(what: str) -> list[str]:
    """The lines of standard input without line ends, including blank lines.

    Args:
        what: the kind of text, for errors, such as "sentence".

    Raises:
        ParamsError: standard input is a terminal.
        AnamnesisError: a line is not UTF-8.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise ParamsError(f"no {what}: pass some in quotes, or one in each line of standard input")
    data = sys.stdin.buffer.read()
    try:
        split = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise AnamnesisError(
            f"standard input, line {line}: found the byte 0x{data[error.start]:02x}; allowed: text in UTF-8"
        ) from None
    # A line end at the end of the text does not start another line.
    return [line.removesuffix("\r") for line in (split if split[-1] else split[:-1])]


def check_utf8(texts: list[str]) -> list[str]:
    """The texts of the command line, unchanged, if they are valid UTF-8.

    Raises:
        AnamnesisError: a text is not; Python decodes invalid bytes as surrogates.
    """
    for number, text in enumerate(texts, start=1):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise AnamnesisError(f"text {number}: character {error.start + 1} is not UTF-8") from None
    return texts


def warn_about_files(texts: list[str], folder: Path | None = None) -> None:
    """Print a note about each text that is the name of a file, because the command does not read the file.

    Args:
        texts: the arguments of the command.
        folder: the folder in which the user called the command; None: the working directory.
    """
    for text in texts:
        # Unlike `Path.is_file`, this accepts text of any length.
        if os.path.isfile(os.path.join(folder or "", text)):
            shown = printable(text)
            print(
                f"note: {shown} is a file, but only its name was used as text; did you mean < {shown}?", file=sys.stderr
            )
