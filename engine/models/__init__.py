"""From the name of a model to its weights, tokenizer, adapter and arithmetic.

It is a room of its own because many steps ask for a model by its name: planning counts tokens,
engines generate, search encodes, training starts from it and the report compares with it.
"""
