"""The engine behind `anamnesis repro`: runs the stages of dvc.yaml, independent stages in parallel."""
