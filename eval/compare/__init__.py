"""`synthmill compare`: finished runs beside each other, in data, settings, and quality on shared queries."""
