"""A system whose first passages are put in another order, by what a model said of them before.

In: a first system, and for a query the passages that the model was asked about, with its scores. Out: a system like any
other. The passages that were asked about go first, by the weighted sum of both scores, each standardised over these
passages; all others follow in the order of the first system.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.search.fusion import POOL
from engine.search.order import Ranking, Rows, Scores
from engine.search.systems import Search, System, known_search

ScoresOf = Callable[[str], tuple[Rows, NDArray[np.float64]]]
"""Gives the passages of a query that a model was asked about, and its scores, NaN where it could not be asked."""


@dataclass(frozen=True, eq=False)
class ReorderedSystem:
    """The first passages of a system in another order.

    Attributes:
        name: the name in TREC runs and tables.
        first: finds the passages.
        scores_of: gives what a model said; it refuses queries that it was not asked about.
        weight: of what the model said, above 0 to 1: 1 leaves the order of the first system out.
    """

    name: str
    first: System
    scores_of: ScoresOf
    weight: float

    def prepare(self, queries: Sequence[str]) -> Search:
        """Searches and orders; no more is found than the first system's first `POOL` passages."""
        said = [self.scores_of(query) for query in queries]
        rows, scores = self.first.prepare(queries)(POOL)
        for number, (asked, figures) in enumerate(said):
            rows[number], scores[number] = reordered((rows[number], scores[number]), asked, figures, self.weight)
        return known_search((rows, scores))


def reordered(ranking: Ranking, asked: Rows, figures: NDArray[np.float64], weight: float) -> Ranking:
    """Puts the passages of one query in another order.

    Args:
        ranking: rows and scores of the first system, (depth,), best first, row -1 where there are fewer.
        asked: rows that the model was asked about, (asked,); those that are not in the ranking are passed over.
        figures: what it said of them, (asked,); NaN counts as the lowest.
        weight: of the figures beside the scores.

    Returns:
        The same rows, and scores that fall in their order.
    """
    rows, scores = ranking
    known = {row: place for place, row in enumerate(asked.tolist())}
    places = np.array([known.get(row, -1) for row in rows.tolist()], np.int64)
    is_asked = (places >= 0) & (rows >= 0)
    if not is_asked.any():
        return ranking
    said = figures[places[is_asked]]
    said = np.where(np.isnan(said), np.nanmin(said) if not np.isnan(said).all() else 0.0, said)
    sums = weight * _standardised(said) + (1 - weight) * _standardised(scores[is_asked].astype(np.float64))
    order = np.argsort(-sums, kind="stable")
    rest = scores[~is_asked]
    below = rest - (rest.max(initial=-np.inf) - sums.min() + 1) if len(rest) else rest
    new_scores: Scores = np.concatenate([sums[order], below]).astype(np.float32)
    return np.concatenate([rows[is_asked][order], rows[~is_asked]]), new_scores


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns values less their mean, in standard deviations; zeros where all are equal."""
    spread = values.std()
    result: NDArray[np.float64] = (values - values.mean()) / (spread if spread > 0 else 1.0)
    return result
