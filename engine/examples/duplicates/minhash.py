"""Near duplicates of short texts: MinHash proposes pairs, their real similarity decides.

In: ids and texts, in any order. Out: for every row the id of the row that stands for it; a row is kept when that is its
own id. The lowest id of a cluster wins, so the kept set depends on which texts there are and on nothing else: not on
order, chunks or threads.

Pairs are proposed by MinHash and banded locality-sensitive hashing (Broder 1997; Leskovec, Rajaraman and Ullman,
"Mining of Massive Datasets", chapter 3) over character shingles. A pair is joined only when its real Jaccard similarity
reaches the threshold, so precision is exact and the bands decide recall alone. Rows are hashed as large matrices, one
ufunc per permutation, some texts at a time; what stays are signatures, 212 bytes a row with the default bands, and the
shingles of a proposed pair are made anew. A million short queries cost about 40 CPU seconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.examples.duplicates.config import DedupConfig
from engine.examples.duplicates.exact import Ids, as_column, normalise, rows_among
from engine.examples.duplicates.shingles import GOLDEN_RATIO, Hashes, Rows, Shingles, jaccard, shingle
from engine.storage.texts import TextColumn
from engine.text.groups import join

_ROWS_AT_ONCE = 2048
"""The rows whose shingles stay in the cache of one core while all permutations pass over them."""
_TEXTS_AT_ONCE = 1 << 15
"""The texts whose shingles are in memory while they are signed."""
_PAIRS_AT_ONCE = 1 << 15
"""The pairs whose shingles are in memory while they are compared."""
_WINDOW = 16
"""The number of neighbours in a bucket that a row is compared with."""


class Signatures(NamedTuple):
    """MinHash signatures in the two forms that are used."""

    bands: Hashes
    """(bands, rows): one hash of 32 bits per band; where two agree by chance, the real similarity tells them apart."""
    sketch: npt.NDArray[np.uint8]
    """(rows, permutations): the low byte of every minimum, enough to estimate a similarity."""


class Signed(NamedTuple):
    """Signatures of texts that were made before."""

    ids: Ids
    signatures: Signatures
    sizes: npt.NDArray[np.int32]
    """The number of shingles of each text, (ids,)."""


def near_duplicates(
    ids: Ids,
    texts: Sequence[str] | TextColumn,
    config: DedupConfig | None = None,
    num_threads: int = 1,
    known: Iterable[Signed] = (),
) -> Ids:
    """Gives for every row the lowest id of its cluster: rows joined by chains of pairs at least `threshold` similar.

    Args:
        ids: unique, in any order, (n,).
        texts: (n,).
        config: what is similar.
        num_threads: how many cores hash; changes nothing in the result.
        known: signatures of some of the texts by the same config, and perhaps of others; they are not made again.

    Returns:
        int64 (n,); equal to `ids` where a row is kept.
    """
    config = config or DedupConfig()
    assert len(np.unique(ids)) == len(ids), "ids are not unique"
    if not len(ids):
        return ids.copy()
    order, column = np.argsort(ids), as_column(texts)

    def shingles_of(rows: Rows) -> Shingles:
        return shingle(normalise(column.take(pa.array(order[rows]))), config.shingle_characters)

    # Rows are in id order from here on, so the lowest row of a cluster is the lowest id.
    signed = _sign_all(ids[order], shingles_of, config, num_threads, known)
    pairs = _Pairs(shingles_of, signed.sizes, signed.signatures.sketch, config.threshold)
    roots = np.arange(len(ids))
    for left, right in _candidates(signed.signatures.bands):
        pairs.join_similar(roots, left, right)
    kept = np.empty_like(ids)
    kept[order] = ids[order][roots]
    return kept


def sign_texts(ids: Ids, texts: pa.Array, config: DedupConfig) -> Signed:
    """Signs some texts, for `near_duplicates` to know them."""
    shingles = shingle(normalise(texts), config.shingle_characters)
    return Signed(ids, sign(shingles, config), shingles.sizes.astype(np.int32))


def _sign_all(
    ids: Ids,
    shingles_of: Callable[[Rows], Shingles],
    config: DedupConfig,
    num_threads: int,
    known: Iterable[Signed],
) -> Signed:
    """Signs all rows but those whose signatures are known; `ids` are ascending."""
    bands = np.empty((config.bands, len(ids)), np.uint32)
    sketch = np.empty((len(ids), config.bands * config.rows_per_band), np.uint8)
    sizes = np.empty(len(ids), np.int32)
    is_left = np.ones(len(ids), np.bool_)
    for signed in known:
        rows, is_there = rows_among(ids, signed.ids)
        rows = rows[is_there]
        is_left[rows] = False
        bands[:, rows], sketch[rows] = signed.signatures.bands[:, is_there], signed.signatures.sketch[is_there]
        sizes[rows] = signed.sizes[is_there]
    left = np.flatnonzero(is_left)
    for start in range(0, len(left), _TEXTS_AT_ONCE):
        rows = left[start : start + _TEXTS_AT_ONCE]
        shingles = shingles_of(rows)
        sizes[rows] = shingles.sizes
        bands[:, rows], sketch[rows] = sign(shingles, config, num_threads)
    return Signed(ids, Signatures(bands, sketch), sizes)


def sign(shingles: Shingles, config: DedupConfig, num_threads: int = 1) -> Signatures:
    """Computes MinHash of every row under `bands * rows_per_band` permutations x -> a x + b modulo 2**32, a odd."""
    num_rows, num_permutations = len(shingles.sizes), config.bands * config.rows_per_band
    stream = hashlib.shake_256(b"synthmill MinHash permutations").digest(8 * num_permutations)
    factors, terms = np.frombuffer(stream, "<u4").astype(np.uint32).reshape(2, -1)
    bands = np.empty((config.bands, num_rows), np.uint32)
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
            bands[band, rows] = hashes >> np.uint64(32)

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


def _candidates(bands: Hashes) -> Iterator[tuple[Rows, Rows]]:
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


class _Pairs:
    """Tells which of the proposed pairs are similar; cheap tests first, the exact one last.

    Args:
        shingles_of: makes the shingles of rows.
        sizes: the number of shingles of each row, (rows,).
        sketch: (rows, permutations), see Signatures.
        threshold: Jaccard similarity from which two rows are joined.
    """

    def __init__(
        self,
        shingles_of: Callable[[Rows], Shingles],
        sizes: npt.NDArray[np.int32],
        sketch: npt.NDArray[np.uint8],
        threshold: float,
    ) -> None:
        self._shingles_of, self._sizes, self._sketch, self._threshold = shingles_of, sizes, sketch, threshold
        # A pair at the threshold falls four standard deviations short once in 30,000 times.
        self._least_estimate = threshold - 4 * np.sqrt(threshold * (1 - threshold) / sketch.shape[1])

    def join_similar(self, roots: Rows, left: Rows, right: Rows) -> None:
        """Joins the clusters of those pairs that are similar; see `join`."""
        apart = roots[left] != roots[right]
        left, right = left[apart], right[apart]
        low, high = np.minimum(self._sizes[left], self._sizes[right]), np.maximum(self._sizes[left], self._sizes[right])
        possible = low >= self._threshold * high
        left, right = left[possible], right[possible]
        for start in range(0, len(left), _PAIRS_AT_ONCE):
            pair = left[start : start + _PAIRS_AT_ONCE], right[start : start + _PAIRS_AT_ONCE]
            likely = (self._sketch[pair[0]] == self._sketch[pair[1]]).mean(axis=1) >= self._least_estimate
            similar = self._are_similar(pair[0][likely], pair[1][likely])
            join(roots, pair[0][likely][similar], pair[1][likely][similar])

    def _are_similar(self, left: Rows, right: Rows) -> npt.NDArray[np.bool_]:
        """Tells of each pair whether its real similarity reaches the threshold, (pairs,)."""
        if not len(left):
            return np.empty(0, np.bool_)
        rows, places = np.unique(np.concatenate([left, right]), return_inverse=True)
        of_left, of_right = np.split(places, 2)
        return np.asarray(jaccard(self._shingles_of(rows), of_left, of_right) >= self._threshold)
