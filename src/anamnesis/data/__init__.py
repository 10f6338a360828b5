"""Data: where corpora come from, how they are read, and the token stores that training reads."""
