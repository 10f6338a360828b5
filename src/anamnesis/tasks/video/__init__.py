"""Classifying short videos of moving digits: frames in, digit and direction out."""
