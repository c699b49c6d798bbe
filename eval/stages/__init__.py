"""Several models, one after the other or side by side, measured alike and put into one table."""
