"""The evaluate stage: `python -P pipelines/evaluate.py EXPERIMENT` writes metrics/ and predictions/ of EXPERIMENT."""

from anamnesis import console, numerics


def main() -> None:
    numerics.pin()
    from anamnesis.stages.evaluate import evaluate
    from anamnesis.tracking import scores

    root, (name,) = console.arguments("EXPERIMENT")
    evaluate(name, root)
    scores.log_result(name, root)


if __name__ == "__main__":
    console.run(main)
