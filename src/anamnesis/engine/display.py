"""What `anamnesis repro` shows: a live table on a terminal, one line per finished stage elsewhere."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from anamnesis.console import printable
from anamnesis.engine.executor import State
from anamnesis.engine.scheduler import Progress

# Characters of a sample that fit on a line.
SAMPLE = 100
STATES: dict[State, str] = {
    "failed": "bold red",
    "running": "bold yellow",
    "done": "green",
    "cached": "cyan",
    "skipped": "red",
    "waiting": "dim",
}


class Display(Protocol):
    """Something that is told how all stages are, again and again."""

    def __call__(self, progress: list[Progress]) -> None:
        """Show it."""


@contextmanager
def display(console: Console, root: Path) -> Iterator[Display]:
    """The display that suits the console; what it shows stays when the block ends.

    Args:
        root: the project's folder, in which the samples of finished models are.
    """
    if not console.is_terminal:
        yield _Lines(console, root)
        return
    # The scheduler calls often enough without a thread of rich's.
    with Live(console=console, auto_refresh=False, transient=True) as live:
        latest: list[Progress] = []
        printed: set[str] = set()

        def show(progress: list[Progress]) -> None:
            latest[:] = progress
            for one in progress:
                if one.state == "done" and one.stage.name not in printed and (text := finished(one, root)):
                    printed.add(one.stage.name)
                    live.console.print(text, markup=False, highlight=False, overflow="ellipsis", no_wrap=True)
            live.update(table(progress, console.size.height - 6), refresh=True)

        yield show
    if latest:
        console.print(table(latest, None))


class _Lines:
    """One line for each stage when it ends; those that were up to date from the start are only counted."""

    def __init__(self, console: Console, root: Path) -> None:
        self.console, self.root = console, root
        self.said: set[str] = set()

    def __call__(self, progress: list[Progress]) -> None:
        if not self.said:
            fresh = {one.stage.name for one in progress if one.stage.current}
            self.said |= fresh | {""}
            if fresh:
                self._print(f"{len(fresh)} of {len(progress)} stages are up to date")
        for one in progress:
            if one.state not in ("waiting", "running") and one.stage.name not in self.said:
                self.said.add(one.stage.name)
                spent = f" {clock(one.seconds)}" if one.seconds else ""
                self._print(f"{one.state:7} {one.stage.name}{spent}" + (f"  {one.text}" if one.text else ""))
                if one.state == "done" and (sample := last_sample(one, self.root)):
                    self._print(f"        {sample}")

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


def finished(one: Progress, root: Path) -> str:
    """Two lines about a model that has been evaluated, its scores and a text it wrote; nothing about other stages."""
    kind, _, name = one.stage.name.partition("@")
    if not kind.startswith("evaluate"):
        return ""
    sample = last_sample(one, root)
    return f"{name}  {one.text}" + (f"\n    {sample}" if sample else "")


def last_sample(one: Progress, root: Path) -> str:
    """The start of the last text that an evaluated model wrote while it was trained, on one line; perhaps empty."""
    kind, _, name = one.stage.name.partition("@")
    if not kind.startswith("evaluate"):
        return ""
    try:
        text = (root / "models" / name / "samples.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    text = " ".join(re.split(r"^== .* ==$", text, flags=re.MULTILINE)[-1].split())
    text = printable(text)
    return f"{text[:SAMPLE]}..." if len(text) > SAMPLE else text


def table(progress: list[Progress], height: int | None) -> Group:
    """All stages, or as many as fit in `height` rows: the failed and running ones first, then the latest to end.

    A stage that was up to date from the start has a row only in the count.
    """
    counts = Counter(one.state for one in progress)
    title = "  ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    result = Table(box=None, pad_edge=False, show_header=False)
    result.add_column("stage", no_wrap=True)
    result.add_column("state", no_wrap=True)
    result.add_column("time", justify="right", no_wrap=True)
    result.add_column("text", overflow="ellipsis", no_wrap=True)
    rows = [one for one in progress if not one.stage.current]
    if height is not None and len(rows) > height:
        rank = {"failed": 0, "running": 1, "done": 2, "cached": 2, "skipped": 3, "waiting": 4}
        kept = sorted(
            enumerate(rows), key=lambda pair: (rank[pair[1].state], -pair[0] if rank[pair[1].state] == 2 else 0)
        )
        rows = [one for _, one in sorted(kept[: max(height, 1)], key=lambda pair: pair[0])]
    for one in rows:
        state = Text(one.state, style=STATES[one.state])
        result.add_row(one.stage.name, state, clock(one.seconds) if one.seconds else "", Text(printable(one.text)))
    return Group(Text(title, style="italic"), result)


def clock(seconds: float) -> str:
    """'12.3 s' below a minute, '4:05' above."""
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
