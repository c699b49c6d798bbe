"""TODO room retrieval."""
