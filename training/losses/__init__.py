"""What is minimised: one function per member of `training.config.Loss`, and the choice of the one that fits memory.

It is apart from the workers so that a new loss touches nothing that trains, feeds or reports.
"""
