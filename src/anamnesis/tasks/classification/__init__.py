"""Classifying documents: words in, a topic out."""
