"""What training a classifier of documents imports: token ids of documents, networks, and the plan of the training."""
