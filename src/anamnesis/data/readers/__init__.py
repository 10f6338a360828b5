"""Readers: one module for each `reader`, with its settings and the method that makes the splits.

A new reader is one module with a subclass of `base.BaseCorpus`, and its name in `data/settings.py`.
"""
