"""Texts without what a terminal would obey: escape sequences begin with a control character, and these become visible.

In: a text of anybody's, such as the name of a file, a document, or what a model wrote. Out: the same with an escape in
the place of each control character but newline and tab. A terminal obeys them: it would hide or fake lines, set its
title, or put something on the clipboard.
"""

from __future__ import annotations

import re

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""C0 but newline and tab, DEL, and C1, of which some terminals obey the single characters too."""


def visible(text: str) -> str:
    r"""Writes control characters as `\u001b`, which also is what JSON calls them within its strings."""
    return CONTROL.sub(lambda match: escape_of(match[0]), text)


def escape_of(character: str) -> str:
    """Returns the escape of a character: six others, whichever it is."""
    return f"\\u{ord(character):04x}"
