"""Search over passages: by the meaning of texts (vectors), by their words (BM25), and by both.

It is apart because curation, planning, training and the report all search, and none of them may depend on another.
"""
