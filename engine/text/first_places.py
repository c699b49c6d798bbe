"""Where each of millions of ids came first: what a reader needs to refuse one that comes twice.

In: ids in the order of reading, each with its place. Out: the place of the first equal one. Ids are kept as hashes:
some thousands as they came, the others in sorted pieces, each twice as large as the next, at 16 bytes an id. (A dict of
the ids themselves takes ten times as much.) Two ids of equal hash, one pair in 10^19, are taken for one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.text.hashes import Hashes, Integers, text_hash

_RECENT = 1 << 15
"""So many ids are sorted at a time."""


class FirstPlaces:
    """Remembers where each id was put first."""

    def __init__(self) -> None:
        self._recent: dict[int, int] = {}
        self._pieces: list[tuple[Hashes, Integers]] = []

    def get(self, name: str) -> int | None:
        """Returns where an id was put first; None where it was not."""
        return self._find(text_hash(name))

    def put(self, name: str, place: int) -> int:
        """Notes the place of an id, below 2^63, unless it has one.

        Returns:
            The place that it has now, its first.
        """
        number = text_hash(name)
        first = self._find(number)
        if first is not None:
            return first
        self._recent[number] = place
        if len(self._recent) == _RECENT:
            self._sort_recent()
        return place

    def _find(self, number: int) -> int | None:
        if number in self._recent:
            return self._recent[number]
        wanted = np.uint64(number)
        for numbers, places in self._pieces:
            index = int(numbers.searchsorted(wanted))
            if index < len(numbers) and numbers[index] == wanted:
                return int(places[index])
        return None

    def _sort_recent(self) -> None:
        numbers = np.fromiter(self._recent.keys(), np.uint64, len(self._recent))
        places = np.fromiter(self._recent.values(), np.int64, len(self._recent))
        self._recent = {}
        self._pieces.append(_sorted(numbers, places))
        while len(self._pieces) > 1 and 2 * len(self._pieces[-1][0]) > len(self._pieces[-2][0]):
            (numbers, places), (more, others) = self._pieces.pop(), self._pieces.pop()
            self._pieces.append(_sorted(np.concatenate([numbers, more]), np.concatenate([places, others])))


def _sorted(numbers: NDArray[np.uint64], places: Integers) -> tuple[Hashes, Integers]:
    order = np.argsort(numbers)
    return numbers[order], places[order]
