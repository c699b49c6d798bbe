"""Fewer examples of a run, as if fewer documents had been asked about; a learning curve trains on them."""
