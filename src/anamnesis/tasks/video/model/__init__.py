"""What training a video classifier imports: the videos, the network, and the plan of the training."""
