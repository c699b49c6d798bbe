"""How long something took, in words; the same for the terminal and the report."""

from __future__ import annotations


def format_seconds(seconds: float) -> str:
    """Writes a time in seconds as a person says it: `75.2` becomes `1 min 15 s`."""
    if round(seconds) < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
