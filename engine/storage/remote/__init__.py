"""The same folders behind a URL: objects with conditional writes, claims, and what is shared through them."""
