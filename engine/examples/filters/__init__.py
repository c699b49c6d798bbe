"""The filters that judge one sample at a time, and their run over all samples on Ray Data.

They stand apart because a Ray worker imports this room and nothing else of the step.
"""
