"""Translating sentences: encoder-decoder networks without and with attention, and two baselines."""
