"""TODO room demonstrations."""
