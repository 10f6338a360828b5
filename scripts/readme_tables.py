"""Write the scores of metrics/ into the tables of README.md, after `make repro`; with --check, say what differs.

python scripts/readme_tables.py [--check]

Registered experiments are bold. Rows stay where they are: which experiments a table names, and in what order, is for
the author to decide.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from anamnesis import files

ROOT = Path(__file__).resolve().parent.parent

# By the first heading of a table, then by column: where its number is, and how it is written.
PERCENT = "{:.1%}"
COLUMNS: dict[str, dict[str, tuple[str, str, str]]] = {
    "experiment": {
        "valid perplexity": ("valid", "perplexity", "{:.4g}"),
        "test perplexity": ("test", "perplexity", "{:.4g}"),
        "valid bits/char": ("valid", "bits_per_character", "{:.3f}"),
        "test bits/char": ("test", "bits_per_character", "{:.3f}"),
        "shuffle preference": ("test", "shuffle_preference", "{:.3g}"),
        "context tokens": ("test", "context_tokens", "{:.0f}"),
    },
    "fill the blank": {
        "valid perplexity": ("valid", "perplexity", "{:.4g}"),
        "test perplexity": ("test", "perplexity", "{:.4g}"),
        "test accuracy": ("test", "accuracy", PERCENT),
        "test top-5": ("test", "top5_accuracy", PERCENT),
    },
    "word numbers": {
        "valid RMSE": ("valid", "rmse", "{:.1f}"),
        "test RMSE": ("test", "rmse", "{:.1f}"),
        "test accuracy": ("test", "accuracy", "{:.2%}"),
    },
    "author of a passage": {
        "valid accuracy": ("valid", "accuracy", PERCENT),
        "test accuracy": ("test", "accuracy", PERCENT),
        "test macro F1": ("test", "macro_f1", "{:.3f}"),
    },
    "which digit moves where": {
        "valid accuracy": ("valid", "accuracy", PERCENT),
        "test accuracy": ("test", "accuracy", PERCENT),
    },
    "digits read in words": {
        "valid exact match": ("valid", "exact_match", PERCENT),
        "test exact match": ("test", "exact_match", PERCENT),
        "test character error rate": ("test", "character_error_rate", PERCENT),
    },
    "next value": {
        "valid RMSE": ("valid", "rmse", "{:.4g}"),
        "test RMSE": ("test", "rmse", "{:.4g}"),
        "test MAE": ("test", "mae", "{:.4g}"),
        "test skill": ("test", "skill", "{:.3f}"),
        "test RMSE, 50 steps free-running": ("test", "rmse_free_running", "{:.4g}"),
    },
    "English to Dutch": {
        "valid BLEU": ("valid", "bleu", "{:.1f}"),
        "test BLEU": ("test", "bleu", "{:.1f}"),
        "greedy": ("test", "bleu_greedy", "{:.1f}"),
        "test chrF": ("test", "chrf", "{:.1f}"),
        "test perplexity": ("test", "perplexity", "{:.4g}"),
        "beam below greedy": ("test", "beam_below_greedy", PERCENT),
    },
}
COLUMNS["topic of a document"] = COLUMNS["author of a passage"]


def update(text: str, root: Path) -> str:
    """The text with the scores of the experiments in `root` in its tables."""
    registry = root / "reports" / "registry.json"
    models = json.loads(registry.read_text(encoding="utf-8"))["models"] if registry.is_file() else []
    registered = {model["experiment"] for model in models}
    lines, headings = text.split("\n"), []
    for number, line in enumerate(lines):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            headings = []
        elif not headings:
            headings = cells
        elif (name := re.fullmatch(r"(?:\*\*)?`([a-z0-9-]+)`(?:\*\*)?", cells[0])) and "weights" in headings:
            columns = COLUMNS.get(headings[0], {})
            if registered:
                cells[0] = f"**`{name[1]}`**" if name[1] in registered else f"`{name[1]}`"
            lines[number] = _row(cells, headings, columns, root / "metrics" / f"{name[1]}.json")
    return "\n".join(lines)


def _row(cells: list[str], headings: list[str], columns: dict[str, tuple[str, str, str]], path: Path) -> str:
    if not path.is_file():
        return f"| {' | '.join(cells)} |"
    metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for index, heading in enumerate(headings[1:], start=1):
        if heading == "weights":
            cells[index] = f"{metrics['parameters']:,}"
        if heading in columns:
            split, key, form = columns[heading]
            value = metrics[split].get(key)
            cells[index] = "" if value is None else form.format(value).replace("%", " %")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Bring README.md up to date, or fail where it is not."""
    readme = ROOT / "README.md"
    old = readme.read_text(encoding="utf-8")
    new = update(old, ROOT)
    if sys.argv[1:] != ["--check"]:
        files.write_text(readme, new)
    elif old != new:
        pairs = zip(old.split("\n"), new.split("\n"), strict=True)
        raise SystemExit("\n".join(f"README.md: {one}\nmetrics/:  {other}" for one, other in pairs if one != other))


if __name__ == "__main__":
    main()
