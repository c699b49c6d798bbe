"""Plans samples: which passage each is about, under which conditions, with which demonstrations.

It is apart from what writes the samples, so that a plan can be counted, checked and read before any model is loaded.
"""
