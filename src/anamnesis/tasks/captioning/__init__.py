"""Captioning images of handwritten digits: an image in, its digits in words out, letter by letter."""
