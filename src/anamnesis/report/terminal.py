"""The leaderboard on the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING

from anamnesis.report import formats, leaderboard, results

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS = (
    ("valid", "perplexity", "perplexity\nvalid"),
    ("valid", "bits_per_character", "bits/char\nvalid"),
    ("test", "bits_per_character", "bits/char\ntest"),
)


def print_leaderboard(root: Path = Path("."), console: "Console | None" = None) -> None:
    """Print all experiments by corpus, the best by validation first and starred, baselines marked by a dash and dimmed.

    Raises:
        AnamnesisError: as `results.load`.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    found = results.load(root)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("", min_width=2, no_wrap=True)
    table.add_column("experiment", no_wrap=True)
    table.add_column("weights", justify="right", no_wrap=True)
    for _, _, title in COLUMNS:
        table.add_column(title, justify="right", no_wrap=True)
    for _, corpus, rows in leaderboard.boards(leaderboard.rank(found.results)):
        table.add_section()
        table.add_row("", Text(corpus, style="bold underline"))
        for row in rows:
            result = row.result
            table.add_row(
                ("★" if row.mark == "best" else "") + ("-" if result.baseline else ""),
                result.experiment,
                formats.count(result.parameters),
                *(formats.score(metric, result.scores[split].get(metric)) for split, metric, _ in COLUMNS),
                style="bold" if row.mark == "best" else "dim" if result.baseline else None,
            )
    console.print(table)
    console.print("★ best of its corpus by validation bits per character   - baseline", highlight=False)
    for name in found.missing:
        console.print(f"missing: {name} has no metrics yet", highlight=False)
