"""What a model is asked, and what of its output is the answer.

It is apart from planning, because engines, the preview and the report need it as well, and none of them plans.
"""
