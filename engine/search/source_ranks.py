"""Reciprocal rank fusion: one ranking out of two, for searches whose scores cannot be compared.

In: two rankings of passages for the same queries. Out: the rank at which the document of each query stands in the fused
one. A passage scores the sum of 1 / (60 + its rank) over the rankings that have it (Cormack, Clarke and Buettcher,
"Reciprocal Rank Fusion Outperforms Condorcet and Individual Rank Learning Methods", SIGIR 2009).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.search.order import Rows

_FUSION_CONSTANT = 60
"""The number that is added to every rank, as the authors of the method set it."""


def fused_ranks(first: Rows, second: Rows, is_of_source: Callable[[Rows], NDArray[np.bool_]]) -> Rows:
    """Computes the rank of the document that each query was written from, in the fusion of two rankings of passages.

    A passage that scores as much as that document stands behind it: one that is first here and third there ties with
    one that is third here and first there.

    Args:
        first: row numbers of passages, best first, -1 where there is none, (queries, depth).
        second: the same by another retriever, (queries, depth).
        is_of_source: tells of row numbers, (queries, n), which are of the document that their query was written from.

    Returns:
        Ranks from 1 on, int64 (queries,).
    """
    assert first.shape == second.shape, f"rankings of shapes {first.shape} and {second.shape}"
    rows = np.concatenate([first, second], axis=1)
    reciprocal = np.tile(1 / (_FUSION_CONSTANT + 1 + np.arange(first.shape[1])), 2)
    order = np.argsort(rows, axis=1, kind="stable")
    rows, scores = np.take_along_axis(rows, order, 1), reciprocal[order]
    scores[rows < 0] = 0
    # A passage of both rankings is now in two neighbouring columns; the later one takes the sum.
    is_second = (rows[:, 1:] == rows[:, :-1]) & (rows[:, 1:] >= 0)
    scores[:, 1:] += np.where(is_second, scores[:, :-1], 0)
    scores[:, :-1][is_second] = 0
    is_source = (rows >= 0) & is_of_source(rows)
    best = np.max(scores, axis=1, where=is_source, initial=0)
    return np.asarray(1 + ((scores > best[:, None]) & ~is_source).sum(1))
