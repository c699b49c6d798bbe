"""Near duplicates of short texts: MinHash proposes pairs, their real similarity decides.

In: ids and texts, in any order. Out: for every row the id of the row that stands for it; a row is kept when that is its
own id. The lowest id of a cluster wins, so the kept set depends on which texts there are and on nothing else: not on
order, chunks or threads.

Pairs are proposed by MinHash and banded locality-sensitive hashing (Broder 1997; Leskovec, Rajaraman and Ullman,
"Mining of Massive Datasets", chapter 3) over character shingles. A pair is joined only when its real Jaccard similarity
reaches the threshold, so precision is exact and the bands decide recall alone. All rows are hashed as a few large
matrices, one ufunc per permutation; a million queries cost about 40 CPU seconds and 0.8 GB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.examples.duplicates.config import DedupConfig
from engine.examples.duplicates.exact import Ids, normalise
from engine.examples.duplicates.shingles import GOLDEN_RATIO, Hashes, Rows, Shingles, jaccard, shingle

_ROWS_AT_ONCE = 2048
"""Rows whose shingles stay in the cache of one core while all permutations pass over them."""
_PAIRS_AT_ONCE = 100_000
_WINDOW = 16
"""How many neighbours in a bucket a row is compared with."""


class Signatures(NamedTuple):
    """MinHash signatures in the two forms that are used."""

    bands: npt.NDArray[np.uint64]
    """(bands, rows): one hash per band."""
    sketch: npt.NDArray[np.uint8]
    """(rows, permutations): the low byte of every minimum, enough to estimate a similarity."""


def near_duplicates(
    ids: Ids, texts: Sequence[str] | pa.Array, config: DedupConfig | None = None, num_threads: int = 1
) -> Ids:
    """Gives for every row the lowest id of its cluster: rows joined by chains of pairs at least `threshold` similar.

    Args:
        ids: unique, in any order, (n,).
        texts: (n,).
        config: what is similar.
        num_threads: how many cores hash; changes nothing in the result.

    Returns:
        int64 (n,); equal to `ids` where a row is kept.
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


def sign(shingles: Shingles, config: DedupConfig, num_threads: int = 1) -> Signatures:
    """Computes MinHash of every row under `bands * rows_per_band` permutations x -> a x + b modulo 2**32, a odd."""
    num_rows, num_permutations = len(shingles.sizes), config.bands * config.rows_per_band
    stream = hashlib.shake_256(b"synthmill MinHash permutations").digest(8 * num_permutations)
    factors, terms = np.frombuffer(stream, "<u4").astype(np.uint32).reshape(2, -1)
    bands = np.empty((config.bands, num_rows), np.uint64)
    sketch = np.empty((num_rows, num_permutations), np.uint8)
    by_size = np.argsort(shingles.sizes, kind="stable")

    def sign_block(start: int) -> None:
        rows = by_size[start : start + _ROWS_AT_ONCE]
        minima = _minima(shingles, rows, factors | np.uint32(1), terms)
        sketch[rows] = minima.T.astype(np.uint8)
        for band, values in enumerate(minima.reshape(config.bands, config.rows_per_band, -1)):
            hashes = np.zeros(len(rows), np.uint64)
            for value in values:
                hashes = (hashes ^ value) * GOLDEN_RATIO
                hashes ^= hashes >> np.uint64(32)
            bands[band, rows] = hashes

    with ThreadPoolExecutor(num_threads) as pool:  # NumPy gives the interpreter lock away inside ufuncs
        list(pool.map(sign_block, range(0, num_rows, _ROWS_AT_ONCE)))
    return Signatures(bands, sketch)


def _minima(shingles: Shingles, rows: Rows, factors: Hashes, terms: Hashes) -> Hashes:
    """Gives the smallest hash of each of `rows` under each permutation, (permutations, rows).

    The rows are of similar size, so padding each with its last shingle costs little.
    """
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


def _candidates(bands: npt.NDArray[np.uint64]) -> Iterator[tuple[Rows, Rows]]:
    """Proposes pairs of rows that share a bucket of some band, the lower row first.

    A bucket of up to `_WINDOW` + 1 rows gives all its pairs. In a larger one, which is a cluster of one text or a
    template that half the rows begin with, each row is paired with its next `_WINDOW` neighbours and with the bucket's
    first row, so that the number of pairs stays linear.
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
    roots: Rows, left: Rows, right: Rows, shingles: Shingles, sketch: npt.NDArray[np.uint8], *, threshold: float
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


def join(roots: Rows, left: Rows, right: Rows) -> None:
    """Joins clusters in place (union-find over arrays): every root becomes the lowest row that edges connect it to.

    Args:
        roots: (n,), each row's root; a root is its own root.
        left: rows at one end of the edges, (edges,).
        right: rows at the other end, (edges,).
    """
    while True:
        low, high = np.minimum(roots[left], roots[right]), np.maximum(roots[left], roots[right])
        crossing = low != high
        if not crossing.any():
            return
        np.minimum.at(roots, high[crossing], low[crossing])
        while ((above := roots[roots]) != roots).any():
            roots[:] = above
