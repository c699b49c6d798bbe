"""The examples step: it decides which samples are good enough to train on, and says of every other one why it is not.

It stands apart so that nothing before it depends on a filter: generation never runs again because a threshold changed.
"""
