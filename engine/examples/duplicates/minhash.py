"""Exact and near duplicates of short texts, in NumPy, by ids only.

In: ids and texts, in any order. Out: for every row the id of the row that stands for it; a row is kept when that
is its own. The lowest id of a cluster wins, so the kept set depends on which texts there are and on nothing else:
not on order, chunks or threads.

Near duplicates are found with MinHash and banded locality-sensitive hashing (Broder 1997; Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", chapter 3) over character shingles, which need no word boundaries. Hashing
only proposes: a pair is joined when its real Jaccard similarity reaches the threshold, so precision is exact and the
bands decide recall alone. All rows are hashed as a few large matrices, one ufunc per permutation; a million queries
cost about 40 CPU seconds and 0.8 GB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.examples.duplicates.exact import DedupConfig, Ints, join, normalise

Hashes = npt.NDArray[np.uint32]


_TEXTS_AT_ONCE = 100_000


_ROWS_AT_ONCE = 2048  # their shingles stay in the cache of one core while all permutations pass over them


_PAIRS_AT_ONCE = 100_000


_WINDOW = 16


_NO_SHINGLE = np.uint32(0xFFFFFFFF)  # shingle hashes have 31 bits


_PRIME = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: odd, and its bits follow no pattern


_MIX = np.uint64(0xFF51AFD7ED558CCD)  # multiplier of MurmurHash3's finalizer


class Shingles(NamedTuple):
    """Distinct shingle hashes of many texts, sorted within each: row i has values[offsets[i]:offsets[i + 1]]."""

    values: Hashes
    offsets: Ints

    @property
    def sizes(self) -> Ints:
        """How many distinct shingles each row has; at least one."""
        return np.diff(self.offsets)


class Signatures(NamedTuple):
    """MinHash signatures in the two forms that are used."""

    bands: npt.NDArray[np.uint64]
    """(bands, rows): one hash per band."""
    sketch: npt.NDArray[np.uint8]
    """(rows, permutations): the low byte of every minimum, enough to estimate a similarity."""


def near_duplicates(
    ids: Ints, texts: Sequence[str] | pa.Array, config: DedupConfig | None = None, num_threads: int = 1
) -> Ints:
    """For every row the lowest id of its cluster: rows joined by chains of pairs at least `threshold` similar.

    Args:
        ids: unique, in any order, (n,).
        texts: (n,).
        config: what is similar.
        num_threads: how many cores hash; changes nothing in the result.
    """
    config = config or DedupConfig()
    assert len(np.unique(ids)) == len(ids), "ids are not unique"
    if not len(ids):
        return ids.copy()
    order = np.argsort(ids)
    shingles = shingle(normalise(texts).take(pa.array(order)), config.shingle_characters)
    signatures = sign(shingles, config, num_threads)
    # Rows are in id order from here on, so the lowest row of a cluster is the lowest id.
    roots = np.arange(len(ids))
    for left, right in _candidates(signatures.bands):
        _join_similar(roots, left, right, shingles, signatures.sketch, threshold=config.threshold)
    kept = np.empty_like(ids)
    kept[order] = ids[order][roots]
    return kept


def shingle(texts: pa.Array, characters: int) -> Shingles:
    """Hashes every run of `characters` code points; a shorter text is padded to one shingle."""
    parts = [
        _shingle(texts[start : start + _TEXTS_AT_ONCE], characters) for start in range(0, len(texts), _TEXTS_AT_ONCE)
    ]
    sizes = np.concatenate([part.sizes for part in parts])
    return Shingles(np.concatenate([part.values for part in parts]), np.concatenate([[0], np.cumsum(sizes)]))


def _shingle(texts: pa.Array, characters: int) -> Shingles:
    import pyarrow.compute as pc

    padded = pc.utf8_rpad(texts, width=characters, padding=" ")
    lengths = pc.utf8_length(padded).to_numpy().astype(np.int64)
    points = np.frombuffer("".join(padded.to_pylist()).encode("utf-32-le"), np.uint32)
    windows = len(points) - characters + 1
    hashes = np.zeros(windows, np.uint64)
    for offset in range(characters):
        hashes = hashes * _PRIME + points[offset : offset + windows]
    hashes = (hashes ^ (hashes >> np.uint64(33))) * _MIX >> np.uint64(33)
    # A window that starts in the last characters of a text runs into the next one.
    inside = np.ones(len(points), bool)
    for back in range(1, characters):
        inside[np.cumsum(lengths) - back] = False
    rows = np.repeat(np.arange(len(lengths), dtype=np.uint64), lengths - characters + 1)
    keys = np.sort(rows << np.uint64(32) | hashes[inside[:windows]])
    keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
    sizes = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(lengths))
    return Shingles(keys.astype(np.uint32), np.concatenate([[0], np.cumsum(sizes)]))


def sign(shingles: Shingles, config: DedupConfig, num_threads: int = 1) -> Signatures:
    """MinHash of every row under `bands * rows_per_band` permutations x -> a x + b modulo 2**32, a odd."""
    num_rows, num_permutations = len(shingles.sizes), config.bands * config.rows_per_band
    stream = hashlib.shake_256(b"synthmill MinHash permutations").digest(8 * num_permutations)
    factors, terms = np.frombuffer(stream, "<u4").astype(np.uint32).reshape(2, -1)
    found = Signatures(np.empty((config.bands, num_rows), np.uint64), np.empty((num_rows, num_permutations), np.uint8))
    by_size = np.argsort(shingles.sizes, kind="stable")

    def sign_block(start: int) -> None:
        rows = by_size[start : start + _ROWS_AT_ONCE]
        minima = _minima(shingles, rows, factors | np.uint32(1), terms)
        found.sketch[rows] = minima.T.astype(np.uint8)
        for band, values in enumerate(minima.reshape(config.bands, config.rows_per_band, -1)):
            hashes = np.zeros(len(rows), np.uint64)
            for value in values:
                hashes = (hashes ^ value) * _PRIME
                hashes ^= hashes >> np.uint64(32)
            found.bands[band, rows] = hashes

    with ThreadPoolExecutor(num_threads) as pool:  # NumPy gives the interpreter lock away inside ufuncs
        list(pool.map(sign_block, range(0, num_rows, _ROWS_AT_ONCE)))
    return found


def _minima(shingles: Shingles, rows: Ints, factors: Hashes, terms: Hashes) -> Hashes:
    """(permutations, rows). Rows are of similar size, so padding them with their own last shingle costs little."""
    sizes = shingles.sizes[rows]
    columns = np.arange(sizes.max())[:, None]
    values: Hashes = shingles.values[shingles.offsets[rows] + np.minimum(columns, sizes - 1)]
    scratch = np.empty_like(values)
    minima = np.empty((len(factors), len(rows)), np.uint32)
    for permutation, (factor, term) in enumerate(zip(factors, terms, strict=True)):
        np.multiply(values, factor, out=scratch)
        np.add(scratch, term, out=scratch)
        np.minimum.reduce(scratch, axis=0, out=minima[permutation])
    return minima


def _candidates(bands: npt.NDArray[np.uint64]) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of rows that share a bucket of some band, the lower row first.

    All pairs of a bucket of up to `_WINDOW` + 1 rows. In larger ones, which are clusters of one text or a template
    that half the rows begin with, each row meets its next `_WINDOW` neighbours and the bucket's first row, so that
    the number of pairs stays linear.
    """
    for hashes in bands:
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        first = np.repeat(starts, np.diff(np.append(starts, len(order))))
        positions = np.arange(len(order))
        for distance in range(1, _WINDOW + 1):
            left = np.flatnonzero(first[distance:] == first[:-distance])
            if not len(left):
                break
            yield order[left], order[left + distance]
        far = np.flatnonzero(positions - first > _WINDOW)
        yield order[first[far]], order[far]


def _join_similar(
    roots: Ints, left: Ints, right: Ints, shingles: Shingles, sketch: npt.NDArray[np.uint8], *, threshold: float
) -> None:
    """Joins the clusters of those pairs that are similar; cheap tests first, the exact one last."""
    apart = roots[left] != roots[right]
    left, right = left[apart], right[apart]
    sizes = shingles.sizes
    low, high = np.minimum(sizes[left], sizes[right]), np.maximum(sizes[left], sizes[right])
    possible = low >= threshold * high
    left, right = left[possible], right[possible]
    deviation = np.sqrt(threshold * (1 - threshold) / sketch.shape[1])
    for start in range(0, len(left), _PAIRS_AT_ONCE):
        pair = left[start : start + _PAIRS_AT_ONCE], right[start : start + _PAIRS_AT_ONCE]
        # A pair at the threshold falls four standard deviations short once in 30,000 times.
        likely = (sketch[pair[0]] == sketch[pair[1]]).mean(axis=1) >= threshold - 4 * deviation
        lefts, rights = pair[0][likely], pair[1][likely]
        similar = jaccard(shingles, lefts, rights) >= threshold
        join(roots, lefts[similar], rights[similar])


def jaccard(shingles: Shingles, left: Ints, right: Ints) -> npt.NDArray[np.float64]:
    """Jaccard similarity of each pair of rows, counted over all their shingles."""
    sizes = shingles.sizes[left] + shingles.sizes[right]
    shared = np.empty(len(left), np.int64)
    by_size = np.argsort(sizes, kind="stable")
    for start in range(0, len(left), _ROWS_AT_ONCE):
        pairs = by_size[start : start + _ROWS_AT_ONCE]
        both = np.concatenate([_padded(shingles, left[pairs]), _padded(shingles, right[pairs])])
        both = np.sort(both.T, axis=1)
        equal = np.count_nonzero(both[:, 1:] == both[:, :-1], axis=1)
        padding = both.shape[1] - sizes[pairs]
        shared[pairs] = equal - np.maximum(padding - 1, 0)
    return np.asarray(shared / (sizes - shared))


def _padded(shingles: Shingles, rows: Ints) -> Hashes:
    """(most shingles of any of `rows`, rows), filled up with a value that no shingle has."""
    sizes = shingles.sizes[rows]
    columns = np.arange(sizes.max())[:, None]
    values: Hashes = shingles.values[shingles.offsets[rows] + np.minimum(columns, sizes - 1)]
    values[columns >= sizes] = _NO_SHINGLE
    return values
