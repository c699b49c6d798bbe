"""The step that writes the queries of a report as rows, for a model to write texts about each."""
