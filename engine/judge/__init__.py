"""A judge: a model that is asked about samples before curation, and whose answers curation holds against a line.

It stands apart because a judgement is generation: this room only plans the questions, a step like any other answers
them, and the examples step reads the figures.
"""
