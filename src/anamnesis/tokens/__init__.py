"""Text to ids and back: characters, character bigrams, words, subwords; and the id arrays on disk."""
