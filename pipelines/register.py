"""The register stage: `python -P pipelines/register.py` writes reports/registry.json and registers models in MLflow."""

from anamnesis import console
from anamnesis.stages.register import register


def main() -> None:
    root, _ = console.arguments()
    register(root)


if __name__ == "__main__":
    console.run(main)
