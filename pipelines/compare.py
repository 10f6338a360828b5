"""The compare stage: `python -P pipelines/compare.py` writes the leaderboard, the curves and the page to reports/."""

from anamnesis import console
from anamnesis.stages.compare import compare


def main() -> None:
    root, _ = console.arguments()
    compare(root)


if __name__ == "__main__":
    console.run(main)
