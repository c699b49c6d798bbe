"""Generated texts with the conditions that they were written under as their labels."""
