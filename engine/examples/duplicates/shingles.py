"""Texts as sets of hashed character shingles, and the Jaccard similarity of such sets.

In: texts, in any script, since shingles need no word boundaries. Out: the distinct shingles of all texts as two flat
arrays, and the similarity of any pairs of them, counted over all their shingles and not estimated.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Rows = npt.NDArray[np.int64]
"""The row numbers of texts."""
Hashes = npt.NDArray[np.uint32]

GOLDEN_RATIO = np.uint64(0x9E3779B97F4A7C15)
"""2**64 over the golden ratio: odd, and its bits follow no pattern, so hashes are multiplied by it."""

_TEXTS_AT_ONCE = 1 << 14
_PAIRS_AT_ONCE = 2048
"""The pairs of texts whose shingles stay in the cache of one core."""
_MURMUR_MULTIPLIER = np.uint64(0xFF51AFD7ED558CCD)
"""Multiplier of MurmurHash3's finalizer."""
_NO_SHINGLE = np.uint32(0xFFFFFFFF)
"""A value that no shingle has: their hashes have 31 bits."""


class Shingles(NamedTuple):
    """The distinct shingle hashes of many texts, sorted within each: row i has values[offsets[i]:offsets[i + 1]]."""

    values: Hashes
    offsets: Rows

    @property
    def sizes(self) -> Rows:
        """Returns the number of distinct shingles of each row, at least one, (rows,)."""
        return np.diff(self.offsets)


def shingle(texts: pa.Array, characters: int) -> Shingles:
    """Hashes every run of `characters` code points; a shorter text is padded to one shingle."""
    parts = [
        _shingle(texts[start : start + _TEXTS_AT_ONCE], characters) for start in range(0, len(texts), _TEXTS_AT_ONCE)
    ]
    sizes = np.concatenate([part.sizes for part in parts])
    return Shingles(np.concatenate([part.values for part in parts]), np.concatenate([[0], np.cumsum(sizes)]))


def _shingle(texts: pa.Array, characters: int) -> Shingles:
    """Hashes the windows of all texts in one go."""
    import pyarrow.compute as pc

    padded = pc.utf8_rpad(texts, width=characters, padding=" ")
    lengths = pc.utf8_length(padded).to_numpy().astype(np.int64)
    points = np.frombuffer("".join(padded.to_pylist()).encode("utf-32-le"), np.uint32)
    num_windows = len(points) - characters + 1
    hashes = np.zeros(num_windows, np.uint64)
    for offset in range(characters):
        hashes = hashes * GOLDEN_RATIO + points[offset : offset + num_windows]
    hashes = (hashes ^ (hashes >> np.uint64(33))) * _MURMUR_MULTIPLIER >> np.uint64(33)
    # A window that starts in the last characters of a text runs into the next one.
    inside = np.ones(len(points), bool)
    for back in range(1, characters):
        inside[np.cumsum(lengths) - back] = False
    rows = np.repeat(np.arange(len(lengths), dtype=np.uint64), lengths - characters + 1)
    keys = np.sort(rows << np.uint64(32) | hashes[inside[:num_windows]])
    keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
    sizes = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(lengths))
    return Shingles(keys.astype(np.uint32), np.concatenate([[0], np.cumsum(sizes)]))


def jaccard(shingles: Shingles, left: Rows, right: Rows) -> npt.NDArray[np.float64]:
    """Computes the Jaccard similarity of each pair of rows, counted over all their shingles; float64 (pairs,)."""
    sizes = shingles.sizes[left] + shingles.sizes[right]
    shared = np.empty(len(left), np.int64)
    by_size = np.argsort(sizes, kind="stable")
    for start in range(0, len(left), _PAIRS_AT_ONCE):
        pairs = by_size[start : start + _PAIRS_AT_ONCE]
        both = np.concatenate([_padded(shingles, left[pairs]), _padded(shingles, right[pairs])])
        both = np.sort(both.T, axis=1)
        equal = np.count_nonzero(both[:, 1:] == both[:, :-1], axis=1)
        padding = both.shape[1] - sizes[pairs]
        shared[pairs] = equal - np.maximum(padding - 1, 0)
    return np.asarray(shared / (sizes - shared))


def _padded(shingles: Shingles, rows: Rows) -> Hashes:
    """Gives the shingles of `rows` as (most shingles of any row, rows), filled up with a value that no shingle has."""
    sizes = shingles.sizes[rows]
    columns = np.arange(sizes.max())[:, None]
    values: Hashes = shingles.values[shingles.offsets[rows] + np.minimum(columns, sizes - 1)]
    values[columns >= sizes] = _NO_SHINGLE
    return values
