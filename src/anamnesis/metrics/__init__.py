"""Scores of predictions, and the files in which an evaluation states them."""
