"""Queries of people, without judgements: a log in, distinct texts and what they are like out.

They are apart because three things use them that know nothing of each other: conditions of samples, the report, and
the page on which people judge.
"""
