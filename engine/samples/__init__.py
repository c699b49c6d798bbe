"""TODO room samples."""
