"""What training a language model imports: texts, batches, the models, and the plan of the training."""
