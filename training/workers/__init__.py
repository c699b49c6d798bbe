"""TODO room workers."""
