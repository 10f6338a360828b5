"""What the evaluation of every task writes in the same way: the head of its metrics, rounding, tables, curves."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from anamnesis.errors import AnamnesisError


def common_metrics(card: Mapping[str, Any], board: str, stats: Mapping[str, Any]) -> dict[str, Any]:
    """What metrics/NAME.json says of every model, whatever it learnt.

    Args:
        card: the model's card.
        board: on which leaderboard it is ranked.
        stats: content of the token store's stats.json.
    """
    copied = ("experiment", "task", "corpus", "tokens", "architecture", "parameters", "fingerprint")
    vocabulary = {key: stats[key] for key in ("vocabulary_size",) if key in stats}
    return {
        **{key: card[key] for key in copied},
        **vocabulary,
        "board": board,
        "data": {split: stats["splits"][split]["text_sha256"] for split in ("valid", "test")},
    }


def rounded(value: float) -> float:
    """The value to 6 significant digits, as metrics are stored."""
    return float(f"{value:.6g}")


def perplexity(nats: float) -> float:
    """exp of a mean negative log-likelihood; infinite where that overflows."""
    return math.exp(nats) if nats < 700 else math.inf


def curve_csv(history: Path, name: str) -> str:
    """The rows of history.csv with a column `experiment` before them.

    Raises:
        AnamnesisError: the file cannot be read.
    """
    try:
        with open(history, encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise AnamnesisError(f"{history}: cannot be read: {error}; run `anamnesis repro {name}`") from None
    return csv_text([["experiment", *rows[0]], *([name, *row] for row in rows[1:])])


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as the content of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
