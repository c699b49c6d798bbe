"""The shares of known sets of queries in a mixture of them, told by one number of each query.

In: how far two systems agree on each query of the mixture, and of each set. Out: the share of each set. It is the
mixture model with known components, whose shares are fitted by expectation maximisation. The density of a set is that
of its queries under a normal kernel. A few made-up queries are spread over all sets alike, so that a few real ones do
not give everything to one set.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.retrieval.metrics import Floats

_PRIOR_QUERIES = 10
_SPREAD = 0.12
"""The standard deviation of the kernel: how widely the agreement of one query stands for that of others."""
_ITERATIONS = 200
_RARE = 1e-6
"""A density that no agreement falls below, so that one query that is like none of the sets decides nothing."""


def mixture(agreement: Floats, sets: Sequence[Floats]) -> Floats:
    """Computes the shares of several sets of queries in a mixture of them, from the agreement on each query.

    Args:
        agreement: that on the queries of the mixture, (m,).
        sets: that on the queries of each set; nan for those without words, and a set of none has no share.

    Returns:
        The shares, (sets,), each 0 to 1.
    """
    agreement, *known = (values[~np.isnan(values)] for values in (agreement, *sets))
    present = np.array([float(len(values) > 0) for values in known])
    assert present.any(), "there is no synthetic query"
    prior = _PRIOR_QUERIES * present / present.sum()
    shares = present / present.sum()
    densities = np.stack([_density(agreement, values) for values in known], axis=1)
    for _ in range(_ITERATIONS):
        likely = densities * shares
        counts = (likely / likely.sum(axis=1, keepdims=True)).sum(axis=0) + prior
        shares = counts / counts.sum()
    return np.asarray(shares)


def _density(at: Floats, values: Floats) -> Floats:
    """Estimates how dense values lie at some points, up to a factor, (points,)."""
    if not len(values):
        return np.full(len(at), _RARE)
    distances = (at[:, None] - values[None, :]) / _SPREAD
    return np.asarray(np.exp(-0.5 * distances**2).mean(axis=1) + _RARE)
