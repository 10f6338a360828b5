"""Where text comes from: sources, checksums, readers, splits."""
