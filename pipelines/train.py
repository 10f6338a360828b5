"""The train stage: `python -P pipelines/train.py EXPERIMENT` writes models/EXPERIMENT."""

from anamnesis import console, numerics, params


def main() -> None:
    numerics.pin()
    from anamnesis.stages.train import train
    from anamnesis.tracking import live

    root, (name,) = console.arguments("EXPERIMENT")
    settings = params.load(root / params.PARAMS)
    train(name, params.lookup(settings.experiments, name, "experiment"), root, live.start)


if __name__ == "__main__":
    console.run(main)
