"""MLflow: live runs, runs from result files, registered models, promotion, served models."""
