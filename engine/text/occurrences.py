"""Numbers of samples that have the same passage and the same conditions: equal keys would otherwise have equal draws.

In: hashes of the keys, in the order of a plan. Out: for each how many equal ones came before it. What was seen lies in
sorted pieces, each twice as large as the next, so that a key is counted in a few searches whatever the size of the
plan; 16 bytes per different key.
"""

from __future__ import annotations

import numpy as np

from engine.text.hashes import Hashes, Integers, earlier_equals


class Occurrences:
    """Counts keys as they come. Two keys of equal hash, one pair in 10^19, are taken for one: a number is left out."""

    def __init__(self) -> None:
        self._pieces: list[tuple[Hashes, Integers]] = []

    def count(self, keys: Hashes) -> Integers:
        """Counts for each of the next n keys the equal ones before it, among these n and in all calls before, (n,)."""
        distinct, inverse, sizes = np.unique(keys, return_inverse=True, return_counts=True)
        before = np.zeros(len(distinct), np.int64)
        for seen, counts in self._pieces:
            places = np.minimum(np.searchsorted(seen, distinct), len(seen) - 1)
            before += np.where(seen[places] == distinct, counts[places], 0)
        self._add(distinct, sizes.astype(np.int64))
        return before[inverse] + earlier_equals(inverse)

    def _add(self, keys: Hashes, counts: Integers) -> None:
        if not len(keys):
            return
        self._pieces.append((keys, counts))
        while len(self._pieces) > 1 and 2 * len(self._pieces[-1][0]) > len(self._pieces[-2][0]):
            self._pieces.append(_merged(self._pieces.pop(), self._pieces.pop()))


def _merged(left: tuple[Hashes, Integers], right: tuple[Hashes, Integers]) -> tuple[Hashes, Integers]:
    keys, inverse = np.unique(np.concatenate([left[0], right[0]]), return_inverse=True)
    counts = np.zeros(len(keys), np.int64)
    np.add.at(counts, inverse, np.concatenate([left[1], right[1]]))
    return keys, counts
