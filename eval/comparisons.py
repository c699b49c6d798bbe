"""Whether systems differ, without resampling means: the paired randomisation test, and Holm's correction for several.

In: values per query of several systems. Out: p values. Where two systems do not differ, either could have had either's
values, so the signs of the differences are drawn (Fisher's randomisation test; Smucker, Allan and Carterette 2007, "A
comparison of statistical significance tests for information retrieval evaluation"). Whole clusters of queries are
turned, for the reason that `eval.significance` gives. Who compares many systems with one finds differences by chance;
Holm's correction (1979) bounds the probability of even one.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from eval.retrieval.metrics import Floats
from eval.significance import cluster_totals

Name = TypeVar("Name", bound=Hashable)

_CELLS = 1_000_000
"""Signs that are drawn at once."""
_TIED = 1e-12
"""Sums closer than this share of the largest possible one count as equal: their terms were added in another order."""


@dataclass(frozen=True)
class Comparison:
    """One system beside the one that it is compared with."""

    difference: float
    """Mean over the queries, this system minus the other."""
    p: float
    """Two-sided p of the randomisation test."""
    p_holm: float
    """The same after Holm's correction over all systems that were compared."""


def compare_systems(
    values: Mapping[str, Floats], baseline: str, clusters: Sequence[str], resamples: int = 10_000, seed: int = 0
) -> dict[str, Comparison]:
    """Compares every other system with one, by name.

    Args:
        values: per query, each of shape (queries,), at least one query.
        baseline: the system that the others are compared with.
        clusters: the cluster of each query.
        resamples: number of draws of signs.
        seed: of the draws.
    """
    differences = {name: own - values[baseline] for name, own in values.items() if name != baseline}
    p_values = {name: randomisation_p(own, clusters, resamples, seed) for name, own in differences.items()}
    corrected = holm(p_values)
    return {name: Comparison(float(own.mean()), p_values[name], corrected[name]) for name, own in differences.items()}


def randomisation_p(differences: Floats, clusters: Sequence[str], resamples: int = 10_000, seed: int = 0) -> float:
    """The two-sided p of a mean difference under random signs.

    All signs are tried where there are no more ways than `resamples`; else so many are drawn, and what was seen counts
    as one more draw, so that p is never 0.

    Args:
        differences: per query, (queries,), at least one.
        clusters: the cluster of each query; the queries of one are turned together.
        resamples: number of draws.
        seed: of the draws; the same values give the same p, in whatever order they come.
    """
    _, sums = cluster_totals([differences], clusters)
    totals = sums[:, 0]
    seen = abs(totals.sum()) - _TIED * np.abs(totals).sum()
    if 2 ** len(totals) <= resamples:
        signs = np.array(list(itertools.product((-1.0, 1.0), repeat=len(totals))))
        return float((np.abs(signs @ totals) >= seen).mean())
    rng, extreme = np.random.default_rng(seed), 1
    rows = max(1, _CELLS // len(totals))
    for start in range(0, resamples, rows):
        drawn = rng.choice((-1.0, 1.0), (min(rows, resamples - start), len(totals)))
        extreme += int((np.abs(drawn @ totals) >= seen).sum())
    return extreme / (resamples + 1)


def holm(p_values: Mapping[Name, float]) -> dict[Name, float]:
    """Corrects p values for their number (Holm 1979); compared with 0.05 they err once or more in 5 % of cases at most.

    Args:
        p_values: by name, 0 to 1.

    Returns:
        The corrected values by name, in the same order, none smaller than before.
    """
    corrected: dict[Name, float] = {}
    largest = 0.0
    for number, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, (len(p_values) - number) * p_values[name]))
        corrected[name] = largest
    return {name: corrected[name] for name in p_values}
