"""TODO room batches."""
