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

_CELLS = 4_000_000  # indices drawn at once: 32 MB, whatever the number of queries


@dataclass(frozen=True)
class Difference:
    """A mean over queries with its interval; `after - before` where two systems are compared.

    Attributes:
        mean: of the per-query values.
        low, high: the percentile interval at the level asked for.
        p: two-sided probability of a mean at least as far on the other side of zero.
        queries: how many.
    """

    mean: float
    low: float
    high: float
    p: float
    queries: int

    @property
    def significant(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0

    def as_json(self) -> dict[str, object]:
        """The shape of report.json."""
        return {"mean": self.mean, "ci95": [self.low, self.high], "p": self.p}


@dataclass(frozen=True)
class Bootstrap:
    """How the resampling is done."""

    resamples: int = 10_000
    level: float = 0.95
    """Share of the resampled means that the interval holds."""
    seed: int = 0

    def difference(self, before: Floats, after: Floats) -> Difference:
        """Paired: the interval of `mean(after - before)`; arrays of shape (n,), any n from 0."""
        assert before.shape == after.shape, f"not paired: {before.shape} and {after.shape}"
        return self.mean(after - before)

    def mean(self, values: Floats) -> Difference:
        """The interval of a plain mean; all zero when there are no values."""
        if not len(values):
            return Difference(0.0, 0.0, 0.0, 1.0, 0)
        means = resampled_means(values, self.resamples, self.seed)
        tail = (1 - self.level) / 2
        low, high = np.quantile(means, [tail, 1 - tail])
        other_side = min(int((means <= 0).sum()), int((means >= 0).sum()))
        p = min(1.0, 2 * (other_side + 1) / (self.resamples + 1))
        return Difference(float(values.mean()), float(low), float(high), p, len(values))


def resampled_means(values: Floats, resamples: int, seed: int) -> Floats:
    """Means of `resamples` draws of n values with replacement, shape (resamples,)."""
    rng = np.random.default_rng(seed)
    rows = max(1, _CELLS // len(values))
    means = np.empty(resamples)
    for start in range(0, resamples, rows):
        stop = min(start + rows, resamples)
        means[start:stop] = values[rng.integers(len(values), size=(stop - start, len(values)))].mean(axis=1)
    return means
