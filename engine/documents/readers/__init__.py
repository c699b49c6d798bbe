"""TODO room readers."""
