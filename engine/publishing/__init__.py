"""A finished model, and the search that goes with it where that is asked for, uploaded to a hub."""
