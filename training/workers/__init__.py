"""The training processes: how the driver starts and watches them, and what each of them does.

What is in here runs under Ray Train; the rest of `training` is plain functions of tables and arrays.
"""
