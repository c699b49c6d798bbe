"""Finds the query in a model's output.

In: the text that a model wrote. Out: one line, without what models put around an answer: labels, bullets, quotes, an
announcement. It is deterministic and keeps every character of the query, so a query can be traced to its sample.
"""

from __future__ import annotations

import re

_BULLET = re.compile(r"^(?:[-*>#\u2022\u2013]+\s+|\(?\d{1,2}[.)]\s+)")
_LABEL = re.compile(
    r"^[*_]*(?:(?:search|generated|user|example)\s+)?(?:query|question|q)\s*\d*\s*[*_]*[:\uff1a]\s*[*_]*", re.IGNORECASE
)
_PREAMBLE = re.compile(r"^(?:sure|certainly|of course|okay|here(?:'s| is| are))\b.*[:\uff1a]$", re.IGNORECASE)
_CLOSING_QUOTES = dict(
    zip("\"'`*\u2018\u201c\u201d\u201e\xab\u300c\u300e", "\"'`*\u2019\u201d\u201d\u201c\xbb\u300d\u300f", strict=True)
)
"""The closing quote of every opening one; `*` is Markdown's emphasis."""


def clean_query(raw: str) -> str:
    """Returns the query in what a model wrote: its first line that says something, without label, bullet or quotes.

    Whitespace is folded to single spaces. What is left may still be no query; that is for the filters to say.
    """
    for line in raw.split("\n"):
        text = _without_wrapping(" ".join(line.split()))
        if text and not _PREAMBLE.match(text):
            return text
    return ""


def _without_wrapping(text: str) -> str:
    """The text without bullets, labels and quotes, which may stand around each other in any order."""
    while True:
        inner = _LABEL.sub("", _BULLET.sub("", text))
        if len(inner) > 1 and _CLOSING_QUOTES.get(inner[0]) == inner[-1] and inner[0] not in inner[1:-1]:
            inner = inner[1:-1]
        inner = inner.strip()
        if inner == text:
            return text
        text = inner
