"""The evaluate stage: `python -P pipelines/evaluate.py EXPERIMENT` writes metrics/ and predictions/ of EXPERIMENT."""

from importlib import import_module
from pathlib import Path

from anamnesis import console, numerics, params


def main() -> None:
    numerics.pin()
    from anamnesis.tracking import scores
    from anamnesis.training import saved

    name = console.argument("EXPERIMENT")
    # The settings come from the model, not from params.yaml, on which this stage does not depend.
    experiment = params.experiment_of(saved.read_card(Path("models") / name))
    import_module(f"anamnesis.{experiment.task}.evaluation").evaluate(name, experiment, Path())
    scores.log_result(name)


if __name__ == "__main__":
    console.run(main)
