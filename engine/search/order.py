"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


Scores = NDArray[np.float32]


Found = tuple[Rows, Scores]


_BLOCK_SCORES = 1 << 24
"""Scores (or vector components) held at a time: 128 MB as float64."""


def rank_by_score(ids: Sequence[str]) -> Rows:
    """Rows by id, descending."""
    repeated = next((name for name, count in Counter(ids).items() if count > 1), None)
    assert repeated is None, f"id {repeated!r} occurs more than once"
    return np.array(sorted(range(len(ids)), key=ids.__getitem__, reverse=True), dtype=np.int64)


def id_ranks(ids: Sequence[str]) -> Rows:
    """Per row, its place in `rank_by_score`."""
    places = np.empty(len(ids), dtype=np.int64)
    places[rank_by_score(ids)] = np.arange(len(ids))
    return places


def best(scores: Scores, k: int) -> Rows:
    """Positions of the k largest, best first; of equal ones the earlier."""
    if not k:
        return np.empty(0, dtype=np.int64)
    border = np.partition(scores, len(scores) - k)[len(scores) - k]
    candidates = np.flatnonzero(scores >= border)
    return candidates[np.argsort(-scores[candidates], kind="stable")[:k]]


def blocks_of(count: int, cost: int) -> Iterator[slice]:
    """Slices over `count` items of `cost` numbers each that fit the memory of one block."""
    size = max(1, _BLOCK_SCORES // cost)
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def nothing_found(queries: int, width: int) -> Found:
    return np.zeros((queries, width), dtype=np.int64), np.zeros((queries, width), dtype=np.float32)
