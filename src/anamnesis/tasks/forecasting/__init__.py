"""Forecasting the next value of a series from the values before it.

With `series: words` the values are word numbers: words are numbered 1, 2, 3, ... as they first appear in the training
split, as if word 800 lay between words 799 and 801 in meaning. Such forecasts are hardly better than the mean number,
and the words nearest to them are nonsense: a lesson of the textbook.
"""
