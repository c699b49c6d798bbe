"""The losses: one function per member of `training.config.Loss`, and what `auto` stands for.

It is apart from the workers so that a new loss touches nothing that trains, feeds or reports.
"""
