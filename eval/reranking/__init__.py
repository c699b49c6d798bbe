"""The step that plans a question about the first passages of every query of a report."""
