"""Do no harm while training: the score on held-out queries, when to stop, which weights are kept, and how far they go.

The driver plans what is measured (`queries.py`); rank 0 measures it between steps (`callback.py`); `averaging.py` takes
the finished weights back towards those that they began with.
"""
