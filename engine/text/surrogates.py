r"""Halves of surrogate pairs, which JSON and YAML can write and UTF-8 cannot.

A program that cuts a text by UTF-16 units leaves half of an emoji at its end, and `"\ud83d"` is valid JSON. No
tokenizer and no file takes such a text, so it is refused or mended where it is read, before anything rests on it.
"""

from __future__ import annotations

import re

from engine.errors import UserError

_HALF = re.compile("[\ud800-\udfff]")


def has_half(text: str) -> bool:
    """Tells whether a text holds half of a surrogate pair."""
    return bool(_HALF.search(text))


def without_halves(text: str) -> str:
    """Returns a text with a space for each half of a surrogate pair, as documents are cleaned."""
    return _HALF.sub(" ", text)


def check_whole(text: str, what: str, where: str) -> None:
    """Refuses half of a surrogate pair in a text.

    Args:
        text: anything that was read.
        what: what the text is, for the message.
        where: its file and line, or its key.

    Raises:
        UserError: the text holds one.
    """
    if has_half(text):
        remedy = r"write whole characters: \ud83d\ude00, not \ud83d alone"
        raise UserError(f"{what} holds half a surrogate pair", where=where, remedy=remedy)
