"""TODO room artifacts."""
