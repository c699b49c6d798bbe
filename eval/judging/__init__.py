"""A test set made by people: queries, the pooled results of all systems to mark, and judgements of the marks.

It only reads a finished run and is no part of any step, so that no fingerprint covers it.
"""
