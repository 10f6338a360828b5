"""Fill in the blank: which word is missing from a sentence, told by the words before it, or by those on both sides."""
