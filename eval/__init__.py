"""The report step: it measures what the tuned model is worth, in figures that anyone can recompute.

It is a package apart, because judged questions may be used for measuring only; it is always imported as
`from eval import ...`, since `import eval` would hide the built-in function.
"""
