"""Training with Lightning, shared by every task: optimisers, schedules, the best weights, exact resume."""
