"""Tables, headings and lines of words: laid out on a terminal, between tabs elsewhere."""

import sys
from collections.abc import Sequence
from typing import Literal


def heading(text: str) -> None:
    from rich.console import Console
    from rich.text import Text

    Console().print(Text(f"\n{text}", style="bold"), soft_wrap=True)


def in_line(pairs: Sequence[tuple[str, str]]) -> None:
    """Words, each with its number, in one line: the numbers dim on a terminal, the pairs between tabs elsewhere."""
    if not sys.stdout.isatty():
        print("\t".join(f"{word} {number}" for word, number in pairs))
        return
    from rich.console import Console
    from rich.text import Text

    Console().print(Text("  ").join(Text.assemble(word, (f" {number}", "dim")) for word, number in pairs))


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
        table.add_column(name, justify=justify, no_wrap=index == 0)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
