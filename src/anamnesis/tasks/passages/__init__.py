"""What is a passage's label? A small network tells it from the states of a language model, frozen or fine-tuned.

All white space of a passage becomes single spaces before anything reads it: the layout of an edition, its line lengths
and indents, would give an author away without a word being read.
"""
