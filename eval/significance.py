"""Estimates how sure a mean is, by the paired bootstrap over clusters of queries.

In: values per query, and the cluster of each query. Out: means, their percentile intervals and a two-sided p. Whole
clusters are drawn with replacement, for all columns of values at once, since a hard query is hard for every system
(Sakai 2006, "Evaluating evaluation metrics based on the bootstrap"), and since queries that were written from one
document rise and fall together: drawn one by one, they would look like more evidence than they are (Field and Welsh
2007, "Bootstrapping clustered data"). Seeded: the same values give the same interval, in whatever order they come.
"""

from __future__ import annotations

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
    """Two-sided probability of a mean at least as far on the other side of zero."""

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
    """

    mean: float
    means: Floats
    queries: int
    clusters: int

    def figures(self, level: float = 0.95) -> DifferenceFigures:
        """Returns the mean with the interval that holds the share `level` of the resampled means, and with p."""
        tail = (1 - level) / 2
        low, high = np.quantile(self.means, [tail, 1 - tail])
        other_side = min(int((self.means <= 0).sum()), int((self.means >= 0).sum()))
        p = min(1.0, 2 * (other_side + 1) / (len(self.means) + 1))
        return DifferenceFigures(self.mean, (float(low), float(high)), p)


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
