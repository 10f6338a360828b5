"""Translation: sentence pairs, encoder-decoder networks without and with attention, decoding, BLEU."""
