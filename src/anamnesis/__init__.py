"""Anamnesis: a reproducible pipeline for training and comparing recurrent sequence models."""

__version__ = "0.1.0"
