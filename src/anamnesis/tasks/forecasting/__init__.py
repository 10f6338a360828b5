"""One-to-one: the next value of a series from those before it."""
