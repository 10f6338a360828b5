"""Tasks: one package for each, named as its `task:` key."""
