"""The report of a run without documents, or of a model that is no encoder: examples and model say what is measured."""
