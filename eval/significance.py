"""How sure a difference is: the paired bootstrap over queries.

In: two arrays of per-query values, same queries in the same order. Out: the mean difference, its percentile
interval and a two-sided p. Queries are resampled with replacement, both systems together, since a hard query is hard
for both (Sakai 2006, "Evaluating evaluation metrics based on the bootstrap"). Seeded: the same values give the same
interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eval.retrieval.metrics import Floats

_CELLS = 4_000_000
"""Indices drawn at once: 32 MB, whatever the number of queries."""


@dataclass(frozen=True)
class DifferenceFigures:
    """A mean difference per query, `tuned - base`, and how sure it is."""

    mean: float
    ci95: tuple[float, float]
    """Lower and upper bound of the interval."""
    p: float
    """Two-sided probability of a mean at least as far on the other side of zero."""

    @property
    def low(self) -> float:
        """The lower bound of the interval."""
        return self.ci95[0]

    @property
    def high(self) -> float:
        """The upper bound of the interval."""
        return self.ci95[1]


@dataclass(frozen=True)
class Difference:
    """A mean over queries with its interval; `after - before` where two systems are compared.

    Attributes:
        mean: mean of the per-query values.
        low, high: bounds of the percentile interval at the level of the bootstrap.
        p: two-sided probability of a mean at least as far on the other side of zero.
        queries: number of queries.
    """

    mean: float
    low: float
    high: float
    p: float
    queries: int

    def figures(self) -> DifferenceFigures:
        """The part of it that a report shows."""
        return DifferenceFigures(self.mean, (self.low, self.high), self.p)


@dataclass(frozen=True)
class Bootstrap:
    """How the resampling is done."""

    resamples: int = 10_000
    level: float = 0.95
    """Share of the resampled means that lie in the interval."""
    seed: int = 0

    def difference(self, before: Floats, after: Floats) -> Difference:
        """The paired difference `mean(after - before)` with its interval; arrays of shape (n,), any n from 0."""
        assert before.shape == after.shape, f"not paired: {before.shape} and {after.shape}"
        return self.mean(after - before)

    def mean(self, values: Floats) -> Difference:
        """The mean of values of shape (n,) with its interval; all zero when there are no values."""
        if not len(values):
            return Difference(0.0, 0.0, 0.0, 1.0, 0)
        means = resampled_means(values, self.resamples, self.seed)
        tail = (1 - self.level) / 2
        low, high = np.quantile(means, [tail, 1 - tail])
        other_side = min(int((means <= 0).sum()), int((means >= 0).sum()))
        p = min(1.0, 2 * (other_side + 1) / (self.resamples + 1))
        return Difference(float(values.mean()), float(low), float(high), p, len(values))


def resampled_means(values: Floats, resamples: int, seed: int) -> Floats:
    """Means of `resamples` draws of n values with replacement, as an array of shape (resamples,)."""
    rng = np.random.default_rng(seed)
    rows = max(1, _CELLS // len(values))
    means = np.empty(resamples)
    for start in range(0, resamples, rows):
        stop = min(start + rows, resamples)
        means[start:stop] = values[rng.integers(len(values), size=(stop - start, len(values)))].mean(axis=1)
    return means
