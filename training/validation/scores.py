"""nDCG@10 of a search among a few passages, and how sure a difference between two models is.

In: vectors of queries and passages, and which documents answer. Out: a value per query, means and intervals. Plain
functions of arrays, which rank 0 calls between two steps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from training.validation.plan import ValidationPlan

Floats = NDArray[np.float64]
"""A value per query, shape (queries,)."""
_DEPTH = 10
_DISCOUNTS: Floats = 1 / np.log2(np.arange(_DEPTH) + 2.0)


def ndcg(plan: ValidationPlan, similarities: NDArray[np.float32]) -> Floats:
    """Computes nDCG@10 of each query over documents, each of which scores as its best passage (MaxP), (q,).

    Args:
        plan: the documents of the passages, and which of them answer.
        similarities: of each query and each passage, (q, n).
    """
    order = np.argsort(plan.documents, kind="stable")
    starts = np.unique(np.asarray(plan.documents)[order], return_index=True)[1]
    best = np.maximum.reduceat(similarities[:, order], starts, axis=1)
    ranked = np.argsort(-best, axis=1, kind="stable")[:, :_DEPTH]
    values = np.zeros(len(plan.queries))
    for query, grades in enumerate(plan.grades):
        gains = np.array([grades.get(document, 0) for document in ranked[query].tolist()], np.float64)
        ideal = np.sort(list(grades.values()))[::-1][:_DEPTH]
        values[query] = gains @ _DISCOUNTS[: len(gains)] / (ideal @ _DISCOUNTS[: len(ideal)])
    return values


def mean(plan: ValidationPlan, values: Floats) -> float:
    """Averages values per query; where synthetic and judged queries are measured, each kind counts one half."""
    return float(_weights(plan) @ values)


def interval(plan: ValidationPlan, differences: Floats, level: float) -> tuple[float, float]:
    """Computes the t interval of a mean difference, with standard errors by cluster.

    Args:
        plan: what each query is of, and how much it counts.
        differences: per query, (q,).
        level: that of the interval, such as 0.99.
    """
    from scipy.special import stdtrit

    weights = _weights(plan)
    centre = np.zeros(len(differences))
    for kind in _kinds(plan):
        centre[kind] = differences[kind].mean() if len(differences[kind]) else 0.0
    clusters, number = np.unique(np.asarray(plan.clusters), return_inverse=True)
    sums = np.bincount(number, weights * (differences - centre), len(clusters))
    freedom = len(clusters) - 1
    error = math.sqrt(float(sums @ sums) * (freedom + 1) / freedom)
    reach = -error * float(stdtrit(freedom, (1 - level) / 2))
    average = mean(plan, differences)
    return average - reach, average + reach


def _kinds(plan: ValidationPlan) -> tuple[slice, slice]:
    """Returns where the synthetic queries stand, and where the judged ones do."""
    first = len(plan.queries) - plan.num_judged
    return slice(0, first), slice(first, len(plan.queries))


def _weights(plan: ValidationPlan) -> Floats:
    """Returns what each query counts, together 1, (q,)."""
    weights = np.zeros(len(plan.queries))
    for kind in _kinds(plan):
        weights[kind] = 1 / max(1, len(weights[kind]))
    return np.asarray(weights / weights.sum())
