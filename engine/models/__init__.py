"""From the name of a model to its weights, tokenizer, adapter and arithmetic.

It is a room of its own because every step that loads a model asks for it by such a name: planning counts tokens,
engines generate, search encodes, training starts from it and the report compares with it.
"""
