"""A set of numbered things with values that change, which knows the one with the largest value at any time.

In: numbers and values. Out: the number whose value is largest, the smallest of equal ones. A change costs O(log n): the
heap keeps what was replaced until it comes to the top, and is built anew before it holds more of that than of the rest.
"""

from __future__ import annotations

import heapq

_FEW = 16
"""So many entries that count no more are never too many."""


class Largest:
    """Values by number, the largest first."""

    def __init__(self) -> None:
        self._values: dict[int, int] = {}
        self._heap: list[tuple[int, int]] = []
        """Pairs of a negative value and its number; those whose value is no longer the number's are passed over."""

    def __len__(self) -> int:
        return len(self._values)

    def set(self, number: int, value: int) -> None:
        """Adds a number, or changes its value."""
        self._values[number] = value
        heapq.heappush(self._heap, (-value, number))
        if len(self._heap) > 2 * len(self._values) + _FEW:
            self._heap = [(-value, number) for number, value in self._values.items()]
            heapq.heapify(self._heap)

    def remove(self, number: int) -> None:
        """Takes a number out, if it is there."""
        self._values.pop(number, None)

    def first(self) -> tuple[int, int] | None:
        """Returns the number with the largest value, and the value; None where there is none."""
        while self._heap:
            negative, number = self._heap[0]
            if self._values.get(number) == -negative:
                return number, -negative
            heapq.heappop(self._heap)
        return None
