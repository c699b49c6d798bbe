"""Generation: planned rows and a task go in, answers come out in committed parts, written by vLLM engines on Ray.

It is a service below the steps, not the samples step: whoever needs something written by a model asks here. What
decides the text of a sample (the loop, and what it loads) imports nothing of what decides where and when it is written.
"""
