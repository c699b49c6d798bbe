"""The terminal as rich draws on it, which shows control characters in texts instead of obeying them.

In: renderables. Out: what rich makes of them; the only escape sequences are those of its styles, bars and tables. It
stands below `Console`, so that no line, table, panel or bar has to think of it.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Span, Text

from engine.visible import CONTROL, escape_of, visible

_GROWTH = len(escape_of("\x1b")) - 1
"""The characters by which a text grows with each control character."""


class Terminal(Console):
    """Rich's console; it calls `render` for all that it draws, and for each part of it."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Gives the segments of a renderable.

        Texts are made visible before they are laid out, so that a line stays as wide as it is to be; what other
        renderables make of texts, afterwards.
        """
        if isinstance(renderable, Text):
            renderable = visible_text(renderable)
        for segment in super().render(renderable, options):
            if segment.control or not CONTROL.search(segment.text):
                yield segment
            else:
                yield Segment(visible(segment.text), segment.style)


def visible_text(text: Text) -> Text:
    """Returns a text with escapes in the place of its control characters, styled as it is."""
    places = [match.start() for match in CONTROL.finditer(text.plain)]
    if not places:
        return text

    def moved(index: int) -> int:
        return index + _GROWTH * bisect.bisect_left(places, index)

    shown = text.blank_copy(visible(text.plain))
    shown.spans = [Span(moved(span.start), moved(span.end), span.style) for span in text.spans]
    return shown
