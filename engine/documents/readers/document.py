"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceDocument:
    """One document as a reader found it, before chunking."""

    id: str
    title: str
    text: str
    reason: str = ""
    """Why it gives no passage, where the reader already knows: its file cannot be read."""
