"""What a person types, and what they see before and after a run: commands, config files, help, panels and summaries.

It is the top floor: it may use every other room, and nothing uses it.
"""
