"""Tables, headings and lines of words: laid out on a terminal, between tabs elsewhere.

What a model or a file says cannot steer the terminal: see `console.printable`. Elsewhere it is written as it is.
"""

import sys
from collections.abc import Sequence
from typing import Literal

from anamnesis.console import printable
from anamnesis.errors import AnamnesisError


def write(text: str, end: str = "\n") -> None:
    """Print a text that a model wrote, or that a file or the user gave."""
    print(shown(text), end=end, flush=True)


def shown(text: str) -> str:
    """A text in the form in which it goes to standard output."""
    return printable(text) if sys.stdout.isatty() else text


def error(problem: AnamnesisError) -> None:
    """Print the line of an error on standard error, where a command goes on with its other inputs."""
    print(f"error: {printable(str(problem))}", file=sys.stderr, flush=True)


def heading(text: str) -> None:
    from rich.console import Console
    from rich.text import Text

    Console().print(Text(f"\n{shown(text)}", style="bold"), soft_wrap=True)


def in_line(pairs: Sequence[tuple[str, str]]) -> None:
    """Words, each with its number, in one line: the numbers dim on a terminal, the pairs between tabs elsewhere."""
    if not sys.stdout.isatty():
        print("\t".join(f"{word} {number}" for word, number in pairs))
        return
    from rich.console import Console
    from rich.text import Text

    Console().print(Text("  ").join(Text.assemble(shown(word), (f" {number}", "dim")) for word, number in pairs))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0, right: Sequence[int] = ()) -> None:
    """A table on a terminal, tab-separated lines elsewhere.

    Args:
        numbers: so many last columns are flush right, as are those of the indices `right`.
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
        # What a row is about must be legible on a narrow terminal, whatever has to give way.
        table.add_column(Text(shown(name)), justify=justify, no_wrap=index == 0)
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    Console().print(table)
