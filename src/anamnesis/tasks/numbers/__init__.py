"""Word numbers: why words must not be numbered and regressed. A lesson, kept as an experiment.

Words are numbered 1, 2, 3, ... as they first appear, and a fully connected network regresses the next word's number
from those before it, as if word 800 lay between words 799 and 801 in meaning. It learns little but the mean number, and
what its rounded outputs spell is nonsense.
"""
