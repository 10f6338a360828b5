"""Tables, headings and lines of words: formatted on a terminal, tab-separated in a pipe.

On a terminal, control characters are printed as escapes; see `console.printable`.
"""

import sys
from collections.abc import Sequence
from typing import Literal

from anamnesis.console import printable
from anamnesis.errors import AnamnesisError


def write(text: str, end: str = "\n") -> None:
    """Print a text of a model, a file or the user."""
    print(shown(text), end=end, flush=True)


def shown(text: str) -> str:
    """The text, with escapes for control characters if standard output is a terminal."""
    return printable(text) if sys.stdout.isatty() else text


def error(problem: AnamnesisError) -> None:
    """Print an error on standard error, in a command that continues with its other inputs."""
    print(f"error: {printable(str(problem))}", file=sys.stderr, flush=True)


def heading(text: str) -> None:
    """Print a heading, in bold on a terminal."""
    from rich.console import Console
    from rich.text import Text

    Console().print(Text(f"\n{shown(text)}", style="bold"), soft_wrap=True)


def in_line(pairs: Sequence[tuple[str, str]]) -> None:
    """Print words with their numbers in one line; in a pipe, tabs separate the pairs."""
    if not sys.stdout.isatty():
        print("\t".join(f"{word} {number}" for word, number in pairs))
        return
    from rich.console import Console
    from rich.text import Text

    Console().print(Text("  ").join(Text.assemble(shown(word), (f" {number}", "dim")) for word, number in pairs))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0, right: Sequence[int] = ()) -> None:
    """Print a table on a terminal, or tab-separated lines in a pipe.

    Args:
        header: the names of the columns.
        rows: the cells of each row.
        numbers: the number of columns at the end that are right-aligned.
        right: indices of further columns that are right-aligned.
    """
    if not sys.stdout.isatty():
        for row in (header, *rows):
            print("\t".join(" ".join(cell.split()) for cell in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for index, name in enumerate(header):
        justify: Literal["left", "right"] = "right" if index >= len(header) - numbers or index in right else "left"
        # On a narrow terminal, the first column stays whole.
        table.add_column(Text(shown(name)), justify=justify, no_wrap=index == 0)
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    Console().print(table)
