"""The report of a run without documents, or of a model that is no encoder: what is measured follows from form and family."""
