"""Filling blanks: the missing word of a sentence, from the words before it or from the words on both sides."""
