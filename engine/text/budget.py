"""What a rendering of a template may spend, and what a value costs: its characters, and its parts.

In: the values that a template is given and makes. Out: units, counted down for the rendering that goes on in a thread
until it has spent all, when an OverflowError ends it. Which operation pays for what stands in engine/text/sandbox.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sized
from contextvars import ContextVar
from typing import Any

from jinja2 import Undefined

MOST_SPENT = 50_000_000
"""The units that a rendering may spend: as many characters, some hundreds of MB at most, or seconds."""
MORE_FOR_GIVEN = 4
"""The units that it may spend besides for each unit of what it is given, of which so many count at most as above."""
LARGEST = 100_000
"""The most parts that `*` may repeat, bits that `**` may compute, and characters of a width."""
PART, NODE, CALL = 10, 10, 100
"""Units for a part of a collection, for a piece of a template each time it is reached, and for a call."""


class _Budget:
    """What one rendering may still spend. What it is given is looked at only where the rest is not enough."""

    def __init__(self, given: tuple[object, ...]) -> None:
        self.left, self._given = MOST_SPENT, given

    def may_grow(self) -> bool:
        """Adds what is due for what is given, once, and tells whether that is enough."""
        for each in self._given:
            try:
                self.left += MORE_FOR_GIVEN * units_of(each)[0]
            except OverflowError:
                self.left += MORE_FOR_GIVEN * MOST_SPENT
        self._given = ()
        return self.left >= 0


_LEFT: ContextVar[_Budget] = ContextVar("units left")
"""What the rendering that goes on in this thread may still spend."""


def spend(units: int) -> None:
    """Counts what the rendering that goes on costs.

    Raises:
        OverflowError: it has cost more than one may.
    """
    budget = _LEFT.get(None)
    if budget is None:
        return
    budget.left -= units
    if budget.left < 0 and not budget.may_grow():
        raise OverflowError("it computes too much: longer texts, or more rounds of loops, than any prompt needs")


@contextlib.contextmanager
def rendering(*given: object) -> Iterator[None]:
    """Gives what is rendered in the block so many units to spend, and more for what it is given."""
    before = _LEFT.set(_Budget(given))
    try:
        yield
    finally:
        _LEFT.reset(before)


def units_of(value: object) -> tuple[int, int]:
    """Returns the units of a value as text, and how deep its collections are; of one held twice, both are counted.

    Raises:
        OverflowError: they are more than a rendering may spend.
    """
    if type(value) is str:
        return len(value), 1
    units, depth, level = 0, 0, [value]
    while level:
        inner: list[Any] = []
        for part in level:
            if isinstance(part, (str, bytes)):
                units += len(part)
            elif part is None or isinstance(part, (float, Undefined)):
                units += 1
            elif isinstance(part, int):
                units += 1 + part.bit_length() // 3
            elif isinstance(part, Collection) and not isinstance(part, range):
                units += 1 + PART * len(part)
                if units <= MOST_SPENT:
                    inner.extend(part)
                    inner.extend(part.values() if isinstance(part, Mapping) else ())
            else:
                units += 1
            if units > MOST_SPENT:
                raise OverflowError("a value in it is too large")
        level, depth = inner, depth + 1
    return units, depth


def parts_of(value: object) -> int:
    """Returns the units of a text, or of the parts of a collection without what is in them."""
    if isinstance(value, (str, bytes)):
        return len(value)
    return 1 if isinstance(value, Undefined) or not isinstance(value, Sized) else 1 + PART * len(value)


def length_of(value: object) -> int:
    """Returns the length of a value; 0 where it has none."""
    return len(value) if isinstance(value, Sized) and not isinstance(value, Undefined) else 0


def width_of(size: str | int) -> int:
    """Returns a size that a template names.

    Raises:
        OverflowError: it is larger than any that makes sense.
    """
    if abs(int(size)) > LARGEST:
        raise OverflowError(f"a width of {size} is too large; {LARGEST:,} is allowed")
    return abs(int(size))
