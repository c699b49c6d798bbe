"""Draws values from hashes, for many keys at once, so that added values move as few draws as possible.

In: 64-bit keys (one per planned sample and condition), values with weights. Out: indices of values. There is no state
and no order: the same key gets the same value in any plan, on any machine.

Appending a value to a list moves only the samples that now draw it. Up to `SHORT_LIST` values this is weighted
rendezvous hashing (Thaler & Ravishankar 1998; weights by exponential scores, as in Efraimidis & Spirakis 2006), which
looks at every value; longer lists of equal weights use jump consistent hashing (Lamping & Veach 2014), whose cost
grows with the logarithm. Longer lists of unequal weights are drawn by cumulated weights: there an added value moves
the draws of others too.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.text.hashes import Floats, Hashes, Integers, mix, text_hashes, uniform

SHORT_LIST = 64
"""The longest list whose values are all compared for each draw; for a longer list the index is computed."""
SEPARATOR = ", "
"""The text between the values of a `pick`, which are joined to one text."""

_SIZE_STREAM = 0x51A7
"""The stream of the draws that say how many values a subset has."""
_SUBSET_SCORES = 1 << 21
"""Scores that are compared at once when subsets are drawn: 16 MiB of them."""


def rendezvous(keys: Hashes, values: Hashes, weights: Floats) -> Integers:
    """Draws a value for each key by weighted rendezvous hashing.

    A value's score is -log(u) / weight, where u is uniform and depends on key and value alone; the smallest wins.

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
        score = -uniform(mix(keys ^ values[index], 0, 0)) if even else _scores(keys, values[index], weights[index])
        closer = score < best
        best[closer], winner[closer] = score[closer], index
    return winner


def jump(keys: Hashes, count: int) -> Integers:
    """Draws an index below `count` for each key by jump consistent hashing; all indices are equally likely.

    A larger count moves a key only to one of the new indices.

    Args:
        keys: (n,) keys.
        count: at least 1.

    Returns:
        (n,) indices.
    """
    state, indices = keys.copy(), np.zeros(len(keys), np.int64)
    rows, candidate = np.arange(len(keys)), np.zeros(len(keys), np.int64)
    with np.errstate(over="ignore"):
        while len(rows):
            indices[rows] = candidate
            state = state * np.uint64(2862933555777941757) + np.uint64(1)
            ratio = float(1 << 31) / ((state >> np.uint64(33)) + np.uint64(1)).astype(np.float64)
            candidate = np.minimum((candidate + 1) * ratio, 2.0**62).astype(np.int64)
            jumps_again = candidate < count
            rows, state, candidate = rows[jumps_again], state[jumps_again], candidate[jumps_again]
    return indices


def _scores(keys: Hashes, value: np.uint64 | Hashes, weight: float | Floats) -> Floats:
    """Scores of values for keys; of all values of a key the smallest score wins."""
    scores: Floats = -np.log(uniform(mix(keys ^ value, 0, 0))) / weight
    return scores


@dataclass(frozen=True, eq=False)
class Drawn:
    """The values of one condition on the rows of a chunk: row i has the value `texts[codes[i]]`."""

    texts: pa.Array
    """(texts,) strings, in which one may stand twice."""
    codes: Integers
    """(n,) positions in `texts`."""
    hashes: Hashes
    """(texts,) hashes of the texts."""

    def column(self) -> pa.Array:
        """The values of the rows, as (n,) strings."""
        return self.texts.take(pa.array(self.codes))

    def row_hashes(self) -> Hashes:
        """The hashes of the values of the rows, (n,)."""
        return self.hashes[self.codes]

    def part(self, start: int, end: int | None = None) -> Drawn:
        """The values of the rows from `start` up to `end`, which is left out, or to the last row."""
        return Drawn(self.texts, self.codes[start:end], self.hashes)

    def replaced(self, rows: Integers, other: Drawn) -> Drawn:
        """Returns the same values, but on `rows` those of `other`.

        Args:
            rows: (m,) row numbers.
            other: a value for each of them.
        """
        codes = self.codes.copy()
        if other.texts is self.texts:
            codes[rows] = other.codes
            return Drawn(self.texts, codes, self.hashes)
        codes[rows] = other.codes + len(self.texts)
        return Drawn(pa.concat_arrays([self.texts, other.texts]), codes, np.concatenate([self.hashes, other.hashes]))


def drawn_from(column: pa.Array) -> Drawn:
    """Returns a column of values that were drawn before, in the form in which they were drawn."""
    encoded = column.dictionary_encode()
    texts = encoded.dictionary
    return Drawn(texts, encoded.indices.to_numpy().astype(np.int64), text_hashes(texts.to_pylist()))


@dataclass(frozen=True, eq=False)
class Choice:
    """Values to draw from, in the order of their declaration."""

    values: Sequence[str]
    weights: Sequence[float]
    """A weight above 0 for each value; they need not add up to 1."""

    def __post_init__(self) -> None:
        assert len(self.values) == len(self.weights) > 0, "a choice has values, each with its weight"
        assert min(self.weights) > 0, "what has no weight is not a value"

    @functools.cached_property
    def texts(self) -> pa.Array:
        """Returns the values as (values,) strings. A config is checked without them: pyarrow then imports pandas."""
        return pa.array(self.values, pa.string())

    @functools.cached_property
    def hashes(self) -> Hashes:
        """Returns (values,) hashes of the values."""
        return text_hashes(self.values)

    def draw(self, keys: Hashes) -> Drawn:
        """Draws a value for each key."""
        return Drawn(self.texts, self.indices(keys), self.hashes)

    def indices(self, keys: Hashes) -> Integers:
        """Draws a value for each key, and returns its index in `values`."""
        weights = np.array(self.weights, np.float64)
        if len(weights) <= SHORT_LIST:
            return rendezvous(keys, self.hashes, weights)
        if weights.min() == weights.max():
            return jump(keys, len(weights))
        cumulative = np.cumsum(weights) / weights.sum()
        return np.minimum(np.searchsorted(cumulative, uniform(keys), side="right"), len(weights) - 1)

    def draw_subset(self, keys: Hashes, least: int, most: int) -> Drawn:
        """Draws a subset of the values for each key, joined to one text in the order of declaration.

        Its size is drawn evenly from `least` to `most`; a value of larger weight is in it more often. All values are
        compared whatever their number, so subsets of long lists are slow, and no added value moves the others.

        Args:
            keys: (n,) keys.
            least: the smallest size of a subset, 0 or more.
            most: the largest size, at most the number of values.
        """
        sizes = least + (uniform(mix(keys, 0, _SIZE_STREAM)) * (most - least + 1)).astype(np.int64)
        block = max(1, _SUBSET_SCORES // len(self.values))
        chosen = [self._best(keys[start : start + block], most) for start in range(0, len(keys), block)]
        order = np.concatenate(chosen) if chosen else np.zeros((0, most), np.int64)
        inside = np.arange(most) < sizes[:, None]
        members = np.sort(np.where(inside, order, len(self.values)), axis=1)[inside]  # values outside sort to the end
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        lists = pa.ListArray.from_arrays(pa.array(offsets), self.texts.take(pa.array(members)))
        coded = pc.binary_join(lists, SEPARATOR).dictionary_encode()
        codes = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        return Drawn(coded.dictionary, codes, text_hashes(coded.dictionary.to_pylist()))

    def _best(self, keys: Hashes, count: int) -> Integers:
        """(n, count) indices of the values with the smallest scores for each key, the smallest first."""
        scores = _scores(keys[:, None], self.hashes[None, :], np.array(self.weights, np.float64)[None, :])
        if count < scores.shape[1]:
            smallest = np.argpartition(scores, count - 1, axis=1)[:, :count]
        else:
            smallest = np.tile(np.arange(count), (len(keys), 1))
        order = np.argsort(np.take_along_axis(scores, smallest, axis=1), axis=1)
        best: Integers = np.take_along_axis(smallest, order, axis=1)
        return best
