"""Readers: each turns one form of input into `SourceDocument`s.

They are apart from chunking so that a form of input can be added without touching how passages are made.
"""
