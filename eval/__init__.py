"""model -> report: what the tuned model is worth, in figures that anyone can recompute.

Judged questions, held-out synthetic queries, the base-or-tuned decision, and the page that shows them. Always
imported as `from eval import ...`, since `import eval` would hide the builtin. This file imports nothing.
"""
