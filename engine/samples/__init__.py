"""The samples step: what of a plan is there, what is missing, and having it written.

It is apart from generation since engines serve others too, and since an edit of how work is given out to engines must
not make every sample anew.
"""
