"""TODO room prompts."""
