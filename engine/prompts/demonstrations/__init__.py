"""The demonstrations that prompts show: where they come from, which of them stand together, and how long they may be.

They are apart from planning because they know nothing of rows: pools and sets are made before any row is drawn.
"""
