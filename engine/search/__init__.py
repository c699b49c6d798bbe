"""TODO room search."""
