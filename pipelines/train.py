"""The train stage: `python -P pipelines/train.py EXPERIMENT` writes models/EXPERIMENT."""

from importlib import import_module
from pathlib import Path

from anamnesis import console, numerics, params


def main() -> None:
    numerics.pin()
    from anamnesis.tracking import live

    name = console.argument("EXPERIMENT")
    experiment = params.lookup(params.load().experiments, name, "experiment")
    import_module(f"anamnesis.{experiment.task}.train").train(name, experiment, Path(), live.start)


if __name__ == "__main__":
    console.run(main)
