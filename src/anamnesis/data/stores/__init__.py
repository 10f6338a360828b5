"""Token stores: memory-mapped arrays for each split."""
