"""The progress that `anamnesis repro` shows: a live table on a terminal, one line per finished stage elsewhere."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from anamnesis.console import printable
from anamnesis.engine.executor import State
from anamnesis.engine.scheduler import Progress

# Characters of a sample to show.
SAMPLE = 100
STYLES: dict[State, str] = {
    "failed": "bold red",
    "running": "bold yellow",
    "done": "green",
    "cached": "cyan",
    "skipped": "red",
    "waiting": "dim",
}
# In a low window, stages with a lower rank are shown first.
RANKS: dict[State, int] = {"failed": 0, "running": 1, "done": 2, "cached": 2, "skipped": 3, "waiting": 4}
# A function that shows the progress of all stages; the scheduler calls it after each change.
Display = Callable[[list[Progress]], None]


@contextmanager
def open_display(console: Console, root: Path) -> Iterator[Display]:
    """A display for the console: a table or lines. Its last output stays when the block ends.

    Args:
        root: the project's folder, which contains the samples of finished models.
    """
    if not console.is_terminal:
        yield _LineDisplay(console, root)
        return
    # The scheduler calls often enough, so rich needs no thread to refresh the table.
    with Live(console=console, auto_refresh=False, transient=True) as live:
        latest: list[Progress] = []
        printed: set[str] = set()

        def show(progress: list[Progress]) -> None:
            latest[:] = progress
            for each in progress:
                if each.state == "done" and each.stage.name not in printed and (text := describe_model(each, root)):
                    printed.add(each.stage.name)
                    live.console.print(text, markup=False, highlight=False, overflow="ellipsis", no_wrap=True)
            live.update(build_table(progress, console.size.height - 6), refresh=True)

        yield show
    if latest:
        console.print(build_table(latest, None))


class _LineDisplay:
    """Prints one line for each stage when it ends, and the number of stages that were up to date from the start."""

    def __init__(self, console: Console, root: Path) -> None:
        self.console, self.root = console, root
        self.printed: set[str] | None = None

    def __call__(self, progress: list[Progress]) -> None:
        if self.printed is None:
            self.printed = {each.stage.name for each in progress if each.stage.up_to_date}
            if self.printed:
                self._print(f"{len(self.printed)} of {len(progress)} stages are up to date")
        for each in progress:
            if each.state not in ("waiting", "running") and each.stage.name not in self.printed:
                self.printed.add(each.stage.name)
                time = f" {format_time(each.seconds)}" if each.seconds else ""
                self._print(f"{each.state:7} {each.stage.name}{time}" + (f"  {each.text}" if each.text else ""))
                if each.state == "done" and (sample := last_sample(each, self.root)):
                    self._print(f"        {sample}")

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


def describe_model(progress: Progress, root: Path) -> str:
    """The scores of an evaluated model, and its last sample on a second line; empty for other stages."""
    kind, _, name = progress.stage.name.partition("@")
    if not kind.startswith("evaluate"):
        return ""
    sample = last_sample(progress, root)
    return f"{name}  {progress.text}" + (f"\n    {sample}" if sample else "")


def last_sample(progress: Progress, root: Path) -> str:
    """The start of the last sample that an evaluated model wrote during training, on one line; empty if none."""
    kind, _, name = progress.stage.name.partition("@")
    if not kind.startswith("evaluate"):
        return ""
    try:
        text = (root / "models" / name / "samples.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    text = printable(" ".join(re.split(r"^== .* ==$", text, flags=re.MULTILINE)[-1].split()))
    return f"{text[:SAMPLE]}..." if len(text) > SAMPLE else text


def build_table(progress: list[Progress], height: int | None) -> Group:
    """A table of all stages, or of the `height` most important ones: failed, running, then the latest finished ones.

    The title counts the stages in each state. Stages that were up to date from the start have no row.
    """
    counts = Counter(each.state for each in progress)
    title = "  ".join(f"{counts[state]} {state}" for state in STYLES if counts[state])
    # The text has the width that is left, so that a long one shortens no name.
    table = Table(box=None, pad_edge=False, show_header=False, expand=True)
    table.add_column("stage", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("text", overflow="ellipsis", no_wrap=True, ratio=1)
    rows = [each for each in progress if not each.stage.up_to_date]
    if height is not None and len(rows) > height:

        def importance(index: int) -> tuple[int, int]:
            rank = RANKS[rows[index].state]
            return rank, -index if rank == 2 else 0

        rows = [rows[index] for index in sorted(sorted(range(len(rows)), key=importance)[: max(height, 1)])]
    for each in rows:
        state = Text(each.state, style=STYLES[each.state])
        table.add_row(
            each.stage.name, state, format_time(each.seconds) if each.seconds else "", Text(printable(each.text))
        )
    return Group(Text(title, style="italic"), table)


def format_time(seconds: float) -> str:
    """'12.3 s' for less than a minute, else '4:05'."""
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
