"""The leaderboard on the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING

from anamnesis.boards import BOARDS, Board
from anamnesis.report import formats, leaderboard, results

if TYPE_CHECKING:
    from rich.console import Console

# Eighty columns have room for three scores; headings of more words are broken here.
HEADINGS = {"bits_per_character": "bits/char", "character_error_rate": "char. error"}

# Experiments without metrics that are named.
NAMES = 3


def columns(board: Board) -> list[tuple[str, str]]:
    """The scores shown of a board, (split, metric): its first other metric, and the ranking one on both splits."""
    other = [("valid", metric) for metric in board.metrics if metric != board.metric]
    return [*other[:1], ("valid", board.metric), ("test", board.metric)]


def print_leaderboard(root: Path = Path("."), console: "Console | None" = None) -> None:
    """Print a table for each board, by corpus and question: the best by validation first and starred, baselines dashed.

    Experiments that differ in nothing but their seed are one row: means, and below them standard deviations.

    Raises:
        AnamnesisError: as `results.load`.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    loaded = results.load(root)
    for name, corpora in leaderboard.boards(leaderboard.rank(loaded.results)):
        board = BOARDS[name]
        shown = columns(board)
        table = Table(
            box=SIMPLE_HEAD,
            pad_edge=False,
            collapse_padding=True,
            title=board.title,
            title_style="bold",
            title_justify="left",
        )
        table.add_column("", min_width=2, no_wrap=True)
        table.add_column("experiment", no_wrap=True)
        table.add_column("weights", justify="right", no_wrap=True)
        for split, metric in shown:
            heading = HEADINGS.get(metric, formats.name(metric))
            table.add_column(f"{heading}\n{split}", justify="right", no_wrap=True)
        for group in corpora:
            table.add_section()
            table.add_row("", Text(group.corpus, style="bold underline"))
            if group.asked:
                table.add_row("", Text(group.asked, style="italic"))
            for row in group.rows:
                result = row.result
                table.add_row(
                    ("★" if row.mark == "best" else "") + ("-" if result.baseline else ""),
                    result.experiment + (f"\n  mean of {len(result.repeats)} seeds" if result.repeats else ""),
                    formats.count(result.parameters),
                    *(
                        formats.repeated(
                            metric,
                            result.scores[split].get(metric),
                            result.spread.get(split, {}).get(metric),
                            between="\n±",
                        )
                        for split, metric in shown
                    ),
                    style="bold" if row.mark == "best" else "dim" if result.baseline else None,
                )
        console.print(table)
        sense = "highest" if board.higher else "lowest"
        repeated = any(row.result.repeats for group in corpora for row in group.rows)
        legend = f"★ {sense} validation {formats.name(board.metric)} of its group   - baseline\n"
        if repeated:
            legend += "± sample standard deviation over seeds\n"
        console.print(legend, highlight=False)
    if loaded.missing:
        missing = list(loaded.missing)
        total = len(missing) + len(loaded.results) + len(loaded.damaged)
        names = ", ".join(missing[:NAMES]) + (", ..." if len(missing) > NAMES else "")
        console.print(
            f"without metrics: {len(missing)} of {total} experiments ({names}); `anamnesis list` shows all",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    for line in loaded.damaged.values():
        console.print(f"damaged: {line}", highlight=False, markup=False, soft_wrap=True)
