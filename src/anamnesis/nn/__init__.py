"""The recurrent layers; nothing in this package knows a corpus or a trainer."""
