"""Many runs that differ in some settings: points of a grid (`-m`), and a search among them (`sweep=FILE`).

A point is a run like any other, in a process and a run folder of its own. Points share the store, so that what they
have in common is made once, whoever comes first, and a point that was cut off goes on.
"""
