"""TODO room conditions."""
