"""documents -> prompts -> samples -> examples: everything up to the training data, and the machinery of steps.

The whole flow is in `engine/pipeline/steps.py`. This file imports nothing, so that `import engine` costs nothing.
"""
