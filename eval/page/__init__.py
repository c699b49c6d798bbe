"""How figures are shown: the HTML page, its charts and its evidence, and the tables of the terminal.

It is apart, because what is shown only reads figures and no measurement depends on how it is shown.
"""
