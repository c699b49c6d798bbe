"""A file for each tracker that figures can go to, behind the protocol of engine/runtime/tracking.py."""
