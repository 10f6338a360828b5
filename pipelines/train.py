"""The train stage: `python -P pipelines/train.py EXPERIMENT` writes models/EXPERIMENT."""

from pathlib import Path

from anamnesis import console, numerics, params


def main() -> None:
    numerics.pin()
    from anamnesis.stages.train import train
    from anamnesis.tracking import live

    name = console.argument("EXPERIMENT")
    train(name, params.lookup(params.load().experiments, name, "experiment"), Path(), live.start)


if __name__ == "__main__":
    console.run(main)
