"""`anamnesis repro`: the pipeline of dvc.yaml, ready stages side by side."""
