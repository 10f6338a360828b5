"""What training a memory experiment imports: the cell's size, the networks, the recall sequences, and the plan."""
