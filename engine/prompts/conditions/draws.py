"""Draws from hashes: which of some values a key gets, vectorised, and as little moved as can be when values are added.

In: 64-bit keys (one per planned sample and condition), values with weights. Out: indices of values. No state and no
order: the same key gets the same value in any plan, on any machine.

Appending a value to a list moves only the samples that now draw it. Up to `SHORT_LIST` values this is weighted
rendezvous hashing (Thaler & Ravishankar 1998; weights by exponential races, as in Efraimidis & Spirakis 2006), which
looks at every value; longer lists of equal weights use jump consistent hashing (Lamping & Veach 2014), whose cost
grows with the logarithm. Longer lists of unequal weights are drawn by cumulated weights: there an added value moves
the draws of others too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.text.hashes import Floats, Hashes, Integers, mix, text_hashes, uniform

SHORT_LIST = 64
"""Longer lists are not compared value by value."""


SEPARATOR = ", "
"""Between the values of a `pick`."""


_SIZE_STREAM = 0x51A7


_SUBSET_CELLS = 1 << 21  # scores compared at once when subsets are drawn from a long list: 16 MiB


def rendezvous(keys: Hashes, values: Hashes, weights: Floats) -> Integers:
    """For each key the value that wins its race: the smallest of -log(u) / weight, u from hash(key, value).

    Args:
        keys: (n,) keys.
        values: (m,) hashes of the values, m at least 1.
        weights: (m,) weights above 0.

    Returns:
        (n,) indices of values; value i is drawn with a share of weights[i] / sum(weights).
    """
    best = np.full(len(keys), np.inf)
    winner = np.zeros(len(keys), np.int64)
    even = weights.min() == weights.max()  # then the largest u wins, and no logarithm is needed
    for index in range(len(values)):
        score = -uniform(mix(keys ^ values[index], 0, 0)) if even else _race(keys, values[index], weights[index])
        closer = score < best
        best[closer], winner[closer] = score[closer], index
    return winner


def jump(keys: Hashes, count: int) -> Integers:
    """Jump consistent hashing: (n,) indices below `count`, evenly; a larger count moves a key only to a new index."""
    state, found = keys.copy(), np.zeros(len(keys), np.int64)
    rows, candidate = np.arange(len(keys)), np.zeros(len(keys), np.int64)
    with np.errstate(over="ignore"):
        while len(rows):
            found[rows] = candidate
            state = state * np.uint64(2862933555777941757) + np.uint64(1)
            ratio = float(1 << 31) / ((state >> np.uint64(33)) + np.uint64(1)).astype(np.float64)
            candidate = np.minimum((candidate + 1) * ratio, 2.0**62).astype(np.int64)
            going = candidate < count
            rows, state, candidate = rows[going], state[going], candidate[going]
    return found


def _race(keys: Hashes, value: np.uint64 | Hashes, weight: float | Floats) -> Floats:
    finish: Floats = -np.log(uniform(mix(keys ^ value, 0, 0))) / weight
    return finish


@dataclass(frozen=True, eq=False)
class Drawn:
    """Values of one condition on the rows of a chunk: row i has texts[codes[i]]; a text may stand there twice."""

    texts: pa.Array
    codes: Integers
    hashes: Hashes
    """Of the texts."""

    def column(self) -> pa.Array:
        """(n,) strings."""
        return self.texts.take(pa.array(self.codes))

    def row_hashes(self) -> Hashes:
        """(n,) hashes of the rows' values."""
        return self.hashes[self.codes]

    def part(self, start: int, end: int | None = None) -> Drawn:
        """The rows from `start` to `end`."""
        return Drawn(self.texts, self.codes[start:end], self.hashes)

    def replaced(self, rows: Integers, other: Drawn) -> Drawn:
        """The same with the values of `other` on `rows`."""
        codes = self.codes.copy()
        if other.texts is self.texts:
            codes[rows] = other.codes
            return Drawn(self.texts, codes, self.hashes)
        codes[rows] = other.codes + len(self.texts)
        return Drawn(pa.concat_arrays([self.texts, other.texts]), codes, np.concatenate([self.hashes, other.hashes]))


def drawn_from(column: pa.Array) -> Drawn:
    """A column of values as it would have been drawn."""
    encoded = column.dictionary_encode()
    texts = encoded.dictionary
    return Drawn(texts, encoded.indices.to_numpy().astype(np.int64), text_hashes(texts.to_pylist()))


@dataclass(frozen=True, eq=False)
class Choice:
    """Values to draw from, with weights above 0, in the order of their declaration."""

    values: Sequence[str]
    weights: Sequence[float]
    texts: pa.Array = field(init=False)
    hashes: Hashes = field(init=False)

    def __post_init__(self) -> None:
        assert len(self.values) == len(self.weights) > 0, "a choice has values, each with its weight"
        assert min(self.weights) > 0, "what has no weight is not a value"
        object.__setattr__(self, "texts", pa.array(self.values, pa.string()))
        object.__setattr__(self, "hashes", text_hashes(self.values))

    def draw(self, keys: Hashes) -> Drawn:
        """One value for each key."""
        return Drawn(self.texts, self.indices(keys), self.hashes)

    def indices(self, keys: Hashes) -> Integers:
        """The index of one value for each key."""
        weights = np.array(self.weights, np.float64)
        if len(weights) <= SHORT_LIST:
            return rendezvous(keys, self.hashes, weights)
        if weights.min() == weights.max():
            return jump(keys, len(weights))
        cumulative = np.cumsum(weights) / weights.sum()
        return np.minimum(np.searchsorted(cumulative, uniform(keys), side="right"), len(weights) - 1)

    def draw_subset(self, keys: Hashes, least: int, most: int) -> Drawn:
        """A random subset for each key, joined in the order of declaration.

        Its size is drawn evenly from `least` to `most`; a value of larger weight is in it more often. All values are
        compared whatever their number, so subsets of long lists are slow, and no added value moves the others.
        """
        sizes = least + (uniform(mix(keys, 0, _SIZE_STREAM)) * (most - least + 1)).astype(np.int64)
        block = max(1, _SUBSET_CELLS // len(self.values))
        chosen = [self._smallest(keys[start : start + block], most) for start in range(0, len(keys), block)]
        order = np.concatenate(chosen) if chosen else np.zeros((0, most), np.int64)
        inside = np.arange(most) < sizes[:, None]
        members = np.sort(np.where(inside, order, len(self.values)), axis=1)[inside]  # what is outside sorts to the end
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        lists = pa.ListArray.from_arrays(pa.array(offsets), self.texts.take(pa.array(members)))
        coded = pc.binary_join(lists, SEPARATOR).dictionary_encode()
        codes = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        return Drawn(coded.dictionary, codes, text_hashes(coded.dictionary.to_pylist()))

    def _smallest(self, keys: Hashes, count: int) -> Integers:
        scores = _race(keys[:, None], self.hashes[None, :], np.array(self.weights, np.float64)[None, :])
        if count < scores.shape[1]:
            near = np.argpartition(scores, count - 1, axis=1)[:, :count]
        else:
            near = np.tile(np.arange(count), (len(keys), 1))
        order = np.argsort(np.take_along_axis(scores, near, axis=1), axis=1)
        nearest: Integers = np.take_along_axis(near, order, axis=1)
        return nearest
