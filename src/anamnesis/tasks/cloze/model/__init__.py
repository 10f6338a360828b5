"""What training a cloze model imports: sentences and blanks, the models, and the plan of the training."""
