"""The document that every reader gives, before it is cleaned and cut.

This module imports the standard library only, because `python_docs` runs in a process that must have loaded nothing
else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SourceDocument:
    """One document as a reader found it, before chunking."""

    id: str
    """The name of the document, unique in its collection."""
    title: str
    """Its title, or an empty string."""
    text: str
    """Its text without the title."""
    reason: str = ""
    """The reason why it gives no passage, where the reader knows one: for example, its file cannot be read."""
    fields: Mapping[str, object] = field(default_factory=dict)
    """The values of the fields that are kept beside its text, as the file has them; a field may be absent."""


def content_id(title: str, text: str) -> str:
    """Makes an id for a document that has none: 16 hex digits that depend on title and text alone."""
    return hashlib.sha256(f"{title}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
