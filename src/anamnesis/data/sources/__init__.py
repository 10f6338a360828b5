"""Sources of corpora: downloads, archives and their cache."""
