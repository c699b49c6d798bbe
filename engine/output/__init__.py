"""Answers in, the rows that were asked about out: each with its own columns and its answer, in the file's order."""
