"""What training a translator imports: the pairs, the network, its search, and the plan of the training."""
