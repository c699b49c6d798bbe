"""The system step: the search that the report settled on, written as a folder that works without this project."""
