"""Conditions that samples are drawn under: their kinds, their draws, and the combinations that are excluded or limited.

They are apart from planning because they know neither passages nor prompts: keys come in, and values go out.
"""
