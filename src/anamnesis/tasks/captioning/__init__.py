"""One-to-many: an image of handwritten digits in, its reading in words out, letter by letter."""
