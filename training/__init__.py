"""The model step: kept examples in, a tuned encoder out.

It stands apart because torch, sentence-transformers and Ray Train are imported here and in no other step.
"""
