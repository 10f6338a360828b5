"""What training a forecaster imports: the series, the models, and the plan of the training."""
