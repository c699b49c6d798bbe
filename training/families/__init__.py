"""Families of models: what is trained, how it is loaded, which loss it minimises and what its folder holds.

Each is a small file behind the protocol of `family.py`, so that what plans, feeds, trains and reports knows none.
"""
