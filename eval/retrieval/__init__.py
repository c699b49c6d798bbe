"""How well documents are found: benchmarks, the systems that search, their rankings, metrics and TREC files.

It is apart, because other kinds of measurement will stand beside it.
"""
