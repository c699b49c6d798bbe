"""Files of prompts in, rows with stable ids out: what batch inference is asked about.

It stands where reading documents stands in a run that adapts a retriever.
"""
