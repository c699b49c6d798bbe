"""TODO room filters."""
