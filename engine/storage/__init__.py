"""Everything that touches a disk: whole files, locks, digests, run folders, the store, and parts of samples.

It is a room of its own because the rules for surviving a kill (write beside, fsync, then name) hold for all of it, and
because another kind of storage would replace this room and nothing else.
"""
