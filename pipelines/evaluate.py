"""The evaluate stage: `python -P pipelines/evaluate.py EXPERIMENT` writes metrics/ and predictions/ of EXPERIMENT."""

from pathlib import Path

from anamnesis import console, numerics


def main() -> None:
    numerics.pin()
    from anamnesis.stages.evaluate import evaluate
    from anamnesis.tracking import scores

    name = console.argument("EXPERIMENT")
    evaluate(name, Path())
    scores.log_result(name)


if __name__ == "__main__":
    console.run(main)
