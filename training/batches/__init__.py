"""Which rows share a training batch, and how they reach the workers.

This is apart from the workers because a plan is made on the driver, before any worker starts.
"""
