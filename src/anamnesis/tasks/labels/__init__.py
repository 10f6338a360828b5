"""Many-to-one: a document or a short video in, its label out."""
