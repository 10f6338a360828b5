"""Text helpers shared by readers, tokenizers and tasks."""
