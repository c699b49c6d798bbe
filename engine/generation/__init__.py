"""TODO room generation."""
