"""Classifying short films of moving digits: frames in, digit and direction out."""
