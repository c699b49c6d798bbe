"""TODO room documents."""
