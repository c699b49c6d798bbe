"""How much of files is read where they are looked at before a run begins.

These figures have a file of their own, which the steps of documents and of rows do not reach: another figure makes
none of them run again.
"""

LOOK_FILES, LOOK_LINES = 1000, 20
"""Whoever looks at files before a run begins reads so many lines of so many of them."""
