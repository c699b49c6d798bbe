"""TODO room task."""
