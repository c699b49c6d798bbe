"""What the project knows about text by itself: words, generated queries, repeated spans, and hashes.

It is apart because filters, search, planning and the report need the same answers, and it knows none of them.
"""
