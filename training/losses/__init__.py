"""TODO room losses."""
