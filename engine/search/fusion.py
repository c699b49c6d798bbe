"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


_FUSION_CONSTANT = 60
"""Of reciprocal rank fusion, as its authors set it (Cormack, Clarke and Buettcher 2009)."""


def fused_ranks(first: Rows, second: Rows, own: Rows, owners: Rows) -> Rows:
    """The rank of each query's own document when two rankings of passages are fused by reciprocal rank.

    A passage scores the sum of 1 / (60 + its rank) over the rankings that have it. What scores as much as the own
    document stands behind it: a passage that is first here and third there ties with one that is third and first.

    Args:
        first: row numbers of passages, best first, -1 where there is none, (n, depth).
        second: the same by another retriever, (n, depth).
        own: each query's document, (n,).
        owners: each passage's document, (rows,).

    Returns:
        int64 (n,).
    """
    assert first.shape == second.shape, f"rankings of shapes {first.shape} and {second.shape}"
    rows = np.concatenate([first, second], axis=1)
    reciprocal = np.tile(1 / (_FUSION_CONSTANT + 1 + np.arange(first.shape[1])), 2)
    order = np.argsort(rows, axis=1, kind="stable")
    rows, scores = np.take_along_axis(rows, order, 1), reciprocal[order]
    scores[rows < 0] = 0
    twice = (rows[:, 1:] == rows[:, :-1]) & (rows[:, 1:] >= 0)  # in both rankings: the later entry takes the sum
    scores[:, 1:] += np.where(twice, scores[:, :-1], 0)
    scores[:, :-1][twice] = 0
    is_own = (rows >= 0) & (owners[rows] == own[:, None])
    best = np.max(scores, axis=1, where=is_own, initial=0)
    return np.asarray(1 + ((scores > best[:, None]) & ~is_own).sum(1))
