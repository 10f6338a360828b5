"""Language models: the probability of the next token, given all tokens before it."""
