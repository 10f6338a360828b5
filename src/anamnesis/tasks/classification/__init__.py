"""Classifying documents: text in, its label out, such as a topic or an author."""
