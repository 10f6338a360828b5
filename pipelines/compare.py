"""Stage `compare`: the leaderboard, the curves and the page that compares all experiments."""

import sys

from anamnesis import console
from anamnesis.report.compare import compare


def main() -> None:
    result = compare()
    for name in result.missing:
        print(f"compare: {name} is missing: it has no metrics yet", flush=True)
    for line in result.damaged:
        print(f"warning: {line}", file=sys.stderr, flush=True)
    console.summary(
        "compare", "all", f"{result.experiments} experiments on {result.corpora} corpora in reports/index.html"
    )


if __name__ == "__main__":
    console.run(main)
