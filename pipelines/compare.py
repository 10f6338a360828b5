"""The compare stage: `python -P pipelines/compare.py` writes the leaderboard, the curves and the page to reports/."""

import sys

from anamnesis import console
from anamnesis.report.compare import compare


def main() -> None:
    root, _ = console.arguments()
    result = compare(root)
    for name in result.missing:
        print(f"compare: {name} is missing: it has no metrics yet", flush=True)
    for line in result.damaged:
        print(f"warning: {line}", file=sys.stderr, flush=True)
    page = root / "reports" / "index.html"
    console.summary("compare", "all", f"{result.experiments} experiments on {result.corpora} corpora in {page}")


if __name__ == "__main__":
    console.run(main)
