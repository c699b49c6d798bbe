"""The order of results, and the arrays that every kind of search takes and gives.

In: ids, or the scores of all rows for a query. Out: row numbers, best first. Equal scores are ordered by id, descending
by code point, because that is what trec_eval does with ties: a TREC run written from here is scored by it as it was
ranked here. The order depends on scores and ids alone, never on the order of the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
"""The row numbers: indices into the ids, texts or vectors that are searched."""
Scores = NDArray[np.float32]
"""The scores of rows for queries; more is better."""
Vectors = NDArray[np.float32]
"""The vectors of texts, one each, (texts, dim)."""
Ranking = tuple[Rows, Scores]
"""The best rows of each query and their scores, both (queries, k), best first."""


class VectorIndex(Protocol):
    """An index over vectors: `DenseIndex`, which is exact, or `ApproximateIndex`."""

    ids: Sequence[str]
    """The id of each row."""
    vectors: Vectors
    """What was indexed, (rows, dim)."""

    def search(self, queries: Vectors, k: int) -> Ranking:
        """Finds up to `min(k, rows)` rows per query, best first; an approximate one fills up with row -1."""

    def rank_of(self, queries: Vectors, targets: Sequence[int] | Rows) -> Rows:
        """Computes the exact rank, from 1 on, of row `targets[i]` for query i: int64 (queries,)."""


_BLOCK_NUMBERS = 1 << 24
"""The scores or vector components that are held at a time: 128 MB as float64."""


def rows_by_id(ids: Sequence[str]) -> Rows:
    """Returns the row numbers in descending order of their ids, (rows,): the order of rows with equal scores."""
    if len(set(ids)) < len(ids):
        repeated = next(name for name, count in Counter(ids).items() if count > 1)
        raise AssertionError(f"id {repeated!r} occurs more than once")
    return np.array(sorted(range(len(ids)), key=ids.__getitem__, reverse=True), dtype=np.int64)


def id_ranks(ids: Sequence[str]) -> Rows:
    """Returns the position of each row in `rows_by_id`, from 0, (rows,): of equal scores the lower is first."""
    ranks = np.empty(len(ids), dtype=np.int64)
    ranks[rows_by_id(ids)] = np.arange(len(ids))
    return ranks


def kth_largest(scores: Scores, k: int) -> np.float32:
    """Returns the k-th largest score, k from 1 to their number; the k best are among those that are not below it."""
    place = len(scores) - k
    largest: np.float32 = np.partition(scores, place)[place]
    return largest


def best_positions(scores: Scores, k: int) -> Rows:
    """Returns the positions of the k largest scores, largest first; of equal scores the earlier position goes first.

    Args:
        scores: those of one query, (rows,).
        k: at most the number of rows.

    Returns:
        int64 (k,).
    """
    if not k:
        return np.empty(0, dtype=np.int64)
    candidates = np.flatnonzero(scores >= kth_largest(scores, k))
    return candidates[np.argsort(-scores[candidates], kind="stable")[:k]]


def block_size(numbers_each: int) -> int:
    """Returns how many items fit into the memory that a search may take, each of so many scores or components."""
    return max(1, _BLOCK_NUMBERS // max(1, numbers_each))


def blocks(count: int, numbers_each: int) -> Iterator[slice]:
    """Cuts `count` items, for example queries, into slices in order, each of `block_size` items at most."""
    size = block_size(numbers_each)
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def blank_ranking(num_queries: int, k: int) -> Ranking:
    """Makes a ranking of zeros, to be filled in: int64 and float32, both (num_queries, k)."""
    return np.zeros((num_queries, k), dtype=np.int64), np.zeros((num_queries, k), dtype=np.float32)
