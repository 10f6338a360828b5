"""Readers: from source files to canonical text, tables and splits."""
