"""The vectors that a search reads, in memory or in a file larger than it, a shard of rows at a time.

In: vectors, maybe a memory map, and how much of that may stay in memory. Out: shards, and the exact scores of chosen
rows. A map that fits is read as an array is. Of a larger one the pages of a shard are let go of before the next is
read, so that memory stays within the limit however many rows there are. The figures are the same either way, to the
last bit: each is computed of one query and one row by itself.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator

import numpy as np
import psutil
from numpy.typing import NDArray

from engine.search.order import Rows, Scores, Vectors, blocks

_SHARE = 0.25
"""The share of the free memory that a memory map may take by itself."""
_SHARD_SHARE = 0.25
"""The share of that which one shard takes: the kernel also maps pages around those that are read."""


class Shards:
    """The vectors of an index, read in order.

    Args:
        vectors: float32 (rows, dim).
        most_bytes: so many bytes of a memory map may be in memory at a time; None stands for a quarter of what is free.
    """

    def __init__(self, vectors: Vectors, most_bytes: int | None = None) -> None:
        assert vectors.ndim == 2, f"vectors of shape {vectors.shape}, not (rows, dim)"
        self.vectors = vectors
        self.num_rows, self.dim = vectors.shape
        limit = int(_SHARE * psutil.virtual_memory().available) if most_bytes is None else most_bytes
        self._map = _map_of(vectors) if vectors.nbytes > limit else None
        self._most_rows = self.num_rows
        if self._map is not None:
            self._most_rows = max(1, int(_SHARD_SHARE * limit) // (vectors.nbytes // self.num_rows))

    def parts(self, most_rows: int | None = None) -> Iterator[slice]:
        """Cuts the rows into shards, in order; what was read of one is let go of before the next.

        Args:
            most_rows: the most rows of a shard, where memory would allow more.
        """
        size = max(1, min(self._most_rows, most_rows or self._most_rows))
        for start in range(0, self.num_rows, size):
            yield slice(start, min(start + size, self.num_rows))
            self._let_go()

    def exact_scores(self, queries: Vectors, rows: Rows) -> Scores:
        """Computes the scores of chosen rows: the same for the same pair wherever it stands.

        Args:
            queries: (queries, dim).
            rows: the rows that are chosen for each query, (queries, chosen); -1 stands for none.

        Returns:
            The inner products in float64, rounded to float32, (queries, chosen); minus infinity where there is no row.
        """
        scores = np.full(rows.shape, -np.inf, np.float32)
        flat_rows, flat_scores = rows.reshape(-1), scores.reshape(-1)
        in_order = np.argsort(flat_rows, kind="stable")[
            (flat_rows < 0).sum() :
        ]  # so that a map is read from end to end
        for part in blocks(len(in_order), 4 * self.dim):  # two copies of each, in two precisions
            pairs = in_order[part]
            numbers = pairs // max(1, rows.shape[1])
            flat_scores[pairs] = _products(queries[numbers], self.vectors[flat_rows[pairs]])
            self._let_go()
        return scores

    def take(self, rows: Rows) -> Vectors:
        """Returns chosen rows, ascending, as an array, float32 (chosen, dim)."""
        taken = np.empty((len(rows), self.dim), np.float32)
        for part in blocks(len(rows), self.dim):
            taken[part] = self.vectors[rows[part]]
            self._let_go()
        return taken

    def longest(self) -> float:
        """Returns the length of the longest vector; not finite where a vector is not."""
        squares = [float(squared_lengths(self.vectors[part]).max()) for part in self.parts()]
        return float(np.sqrt(np.max(squares, initial=0.0)))

    def _let_go(self) -> None:
        """Has the kernel take the pages that were read of a map; they are read again where they are wanted again."""
        if self._map is not None:
            self._map.madvise(mmap.MADV_DONTNEED)


def squared_lengths(vectors: Vectors) -> NDArray[np.float64]:
    """Computes the squared length of each vector, float64 (rows,)."""
    squares: NDArray[np.float64] = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)
    return squares


def _products(queries: Vectors, vectors: Vectors) -> Scores:
    """Computes the inner product of each query with the vector beside it, in float64, rounded to float32, (pairs,)."""
    products = np.einsum("pd,pd->p", queries.astype(np.float64), vectors.astype(np.float64))
    return np.asarray(products, np.float32)


def _map_of(vectors: Vectors) -> mmap.mmap | None:
    """Returns the map of a file that vectors are read from; None where they are in memory, or may be written to.

    Letting go of pages that were written to would lose what is written.
    """
    is_read_only = isinstance(vectors, np.memmap) and not vectors.flags.writeable
    return vectors.base if is_read_only and isinstance(vectors.base, mmap.mmap) else None
