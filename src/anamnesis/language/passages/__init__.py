"""Whose passage is it? A small network on the states of a frozen language model tells the author.

All white space of a passage becomes single spaces before anything reads it: the layout of an edition, its line lengths
and indents, would give the author away without a word being read.
"""
