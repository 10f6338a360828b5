"""What training a captioner imports: the images, the network, its search, and the plan of the training."""
