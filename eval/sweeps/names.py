"""The names of systems that people read, in every table and chart of a sweep or a comparison.

In: the name of a system, as files have it. Out: words, the same as in the report.
"""

from __future__ import annotations

from eval.systems import describe


def system_name(name: str) -> str:
    """Puts the name of a system into words; a name that the report has no words for stays as it is."""
    return describe(name)
