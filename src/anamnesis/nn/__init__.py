"""The recurrent layers; nothing in this package knows a corpus or a trainer."""

CELL = r"^[a-z_][a-z0-9_]*:[A-Za-z_][A-Za-z0-9_]*$"
"""An own cell: a file of the folder cells/ without its suffix, and the class."""
