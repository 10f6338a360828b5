"""Many-to-one: a document or a short film in, its label out."""
