"""TODO room duplicates."""
