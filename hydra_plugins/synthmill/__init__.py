"""What Hydra finds by itself: it imports every module below `hydra_plugins`, a package without an `__init__.py`.

It does so whenever a config is composed, so that modules here import what they need when they are used.
"""
