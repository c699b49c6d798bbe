"""Estimates how sure a mean is, by the paired bootstrap over clusters of queries.

In: values per query, and the cluster of each query. Out: means, their intervals and a two-sided p. Whole
clusters are drawn with replacement, for all columns of values at once, since a hard query is hard for every system
(Sakai 2006, "Evaluating evaluation metrics based on the bootstrap"), and since queries that were written from one
document rise and fall together: drawn one by one, they would look like more evidence than they are (Field and Welsh
2007, "Bootstrapping clustered data"). How far the resampled means spread is the standard error; the interval around the
mean is that of the t distribution, which is right for few clusters too. Seeded: the same values give the same interval,
in whatever order they come.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from eval.retrieval.metrics import Floats

Name = TypeVar("Name", bound=Hashable)

_CELLS = 1_000_000
"""The number of clusters drawn at once, about 30 MB whatever the number of queries; at least one resample."""


@dataclass(frozen=True)
class DifferenceFigures:
    """A mean difference per query, `tuned - base`, and how sure it is."""

    mean: float
    ci95: tuple[float, float]
    """Lower and upper bound of the interval."""
    p: float
    """Two-sided probability of a mean so far from zero if there were no difference."""

    @property
    def low(self) -> float:
        """The lower bound of the interval."""
        return self.ci95[0]

    @property
    def high(self) -> float:
        """The upper bound of the interval."""
        return self.ci95[1]


@dataclass(frozen=True, eq=False)
class Resampled:
    """A mean over queries, and its value in every resample.

    Attributes:
        mean: mean of the per-query values; 0 when there are none.
        means: the same of each resample, shape (resamples,); all zero when there are no values.
        queries: number of queries.
        clusters: number of clusters that the queries are of.
        limits: the least and the largest value that the mean can have, whatever the queries.
    """

    mean: float
    means: Floats
    queries: int
    clusters: int
    limits: tuple[float, float] = (-math.inf, math.inf)

    def figures(self, level: float = 0.95) -> DifferenceFigures:
        """Returns the mean with its t interval of the given level, and with p.

        The standard error is that of the resampled means, times sqrt(n / (n - 1)) for n clusters, since resamples of
        few clusters vary too little (Hesterberg 2015, "What teachers should know about the bootstrap"). Percentiles of
        the resampled means call chance a difference in up to 14 % of cases with ten clusters and up to 9 % with thirty,
        where this does so in 7 % and 5 % at most (benchmarks/intervals.py). One cluster says nothing of others, so that
        its interval reaches from limit to limit; no other goes beyond them, as that of two clusters would.
        """
        from scipy.special import stdtr, stdtrit

        least, most = self.limits
        if self.clusters == 1:
            return DifferenceFigures(self.mean, self.limits, 1.0)
        freedom = max(1, self.clusters - 1)
        error = float(self.means.std()) * math.sqrt((freedom + 1) / freedom)
        reach = -error * float(stdtrit(freedom, (1 - level) / 2))
        p = 2 * float(stdtr(freedom, -abs(self.mean) / error)) if error else float(not self.mean)
        return DifferenceFigures(self.mean, (max(least, self.mean - reach), min(most, self.mean + reach)), p)


@dataclass(frozen=True)
class Bootstrap:
    """The settings of the resampling."""

    resamples: int = 10_000
    seed: int = 0

    def resample(self, columns: Mapping[Name, Floats], clusters: Sequence[str]) -> dict[Name, Resampled]:
        """Resamples the means of several columns of values, with one draw of clusters for all of them.

        Args:
            columns: values per query, each of shape (queries,), any number of queries from 0.
            clusters: the cluster of each query; queries of different clusters are taken as independent.
        """
        unpaired = {name: values.shape for name, values in columns.items() if values.shape != (len(clusters),)}
        assert not unpaired, f"not paired with {len(clusters)} queries: {unpaired}"
        if not clusters:
            return {name: Resampled(0.0, np.zeros(self.resamples), 0, 0) for name in columns}
        sizes, sums = cluster_totals(list(columns.values()), clusters)
        means = resampled_means(sizes, sums, self.resamples, self.seed)
        overall = sums.sum(axis=0) / sizes.sum()
        return {
            name: Resampled(float(overall[column]), means[column], len(clusters), len(sizes))
            for column, name in enumerate(columns)
        }


def cluster_totals(columns: Sequence[Floats], clusters: Sequence[str]) -> tuple[Floats, Floats]:
    """Returns the sizes and the sums of all clusters, sorted by name: the order of the queries changes no digit.

    Args:
        columns: values per query, each of shape (queries,).
        clusters: the cluster of each query, at least one.

    Returns:
        Number of queries per cluster, shape (clusters,), and sums of the values, shape (clusters, columns).
    """
    number = {name: row for row, name in enumerate(sorted(set(clusters)))}
    rows = np.array([number[name] for name in clusters])
    sizes = np.bincount(rows)
    starts = np.cumsum(sizes) - sizes
    # Values are added in the order of their size: the last digit of a sum depends on the order of its terms.
    sums = [np.add.reduceat(values[np.lexsort((values, rows))], starts) for values in columns]
    return sizes.astype(np.float64), np.stack(sums, axis=1)


def resampled_means(sizes: Floats, sums: Floats, resamples: int, seed: int) -> Floats:
    """Computes means over the queries of as many clusters as there are, drawn with replacement.

    Args:
        sizes: number of queries per cluster, shape (clusters,).
        sums: sums of the values per cluster, shape (clusters, columns).
        resamples: number of draws.
        seed: seed of the draws.

    Returns:
        The means of shape (columns, resamples).
    """
    rng = np.random.default_rng(seed)
    count, rows = len(sizes), max(1, _CELLS // len(sizes))
    means = np.empty((sums.shape[1], resamples))
    for start in range(0, resamples, rows):
        stop = min(start + rows, resamples)
        drawn = rng.integers(count, size=(stop - start, count))
        drawn += count * np.arange(stop - start)[:, None]
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.float64)
        means[:, start:stop] = (times @ sums / (times @ sizes)[:, None]).T
    return means
