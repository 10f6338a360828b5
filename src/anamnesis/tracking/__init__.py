"""MLflow as a projection of the results: live runs, rebuilt runs, registered models, promotion, serving."""
