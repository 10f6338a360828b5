"""The evaluate stage: `python -P pipelines/evaluate.py EXPERIMENT` writes metrics/ and predictions/ of EXPERIMENT."""

from importlib import import_module
from pathlib import Path

from anamnesis import console, numerics, params


def main() -> None:
    numerics.pin()
    name = console.argument("EXPERIMENT")
    experiment = params.lookup(params.load().experiments, name, "experiment")
    import_module(f"anamnesis.{experiment.task}.evaluation").evaluate(name, experiment, Path())


if __name__ == "__main__":
    console.run(main)
