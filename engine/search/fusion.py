"""Systems made of other systems: what several of them find for a query, ordered by one score.

In: systems over the same passages, and the weight of each. Out: a system like any other, so that a fused one can be
fused, measured or reranked again. Scores of different systems cannot be added as they are; `Gains` says what a place in
a ranking counts, and both ways that are known to work well without training are here: convex combination of
standardised scores, and reciprocal rank fusion (Bruch, Gai and Ingber 2023, "An Analysis of Fusion Functions for Hybrid
Retrieval", compare them).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.search.order import Ranking, Rows, blank_ranking
from engine.search.systems import Search, System, known_search

POOL = 100
"""The number of passages that each system adds to a fusion."""
_FUSION_CONSTANT = 60
"""The number that is added to every rank, as the authors of reciprocal rank fusion set it."""

Gains = Callable[[Ranking], NDArray[np.float64]]
"""Takes a ranking, (queries, k), and gives what each place in it counts beyond a passage that it lacks, same shape."""


def standardised(ranking: Ranking) -> NDArray[np.float64]:
    """Returns the scores above what a passage that the ranking lacks can have, in standard deviations of its scores.

    So a passage that stands out by far from the others of its ranking counts more than a first one among equals. A full
    ranking may have been cut anywhere among equals, so that its last place counts nothing. One that ends early lacks
    only what no word of the query is in: that scores 0, and takes part in the deviation as one more place, so that an
    only hit counts too.
    """
    rows, scores = ranking
    is_found = rows >= 0
    found = np.where(is_found, scores, 0.0).astype(np.float64)
    last = np.where(is_found, found, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    ends_early = ~is_found.all(axis=1, keepdims=True)
    lacking = np.where(ends_early, np.minimum(last, 0.0), np.where(np.isfinite(last), last, 0.0))
    counts = np.maximum(is_found.sum(axis=1, keepdims=True) + ends_early, 1)
    means = (found.sum(axis=1, keepdims=True) + ends_early * lacking) / counts
    squares = np.where(is_found, found - means, 0.0) ** 2
    spread = np.sqrt((squares.sum(axis=1, keepdims=True) + ends_early * (lacking - means) ** 2) / counts)
    return np.where(is_found, (found - lacking) / np.where(spread > 0, spread, 1.0), 0.0)


def reciprocal(ranking: Ranking) -> NDArray[np.float64]:
    """Returns 1 / (60 + rank) (Cormack, Clarke and Buettcher 2009).

    An only passage that scores 0 counts nothing: search by words gives one where no passage has a word of the query.
    """
    rows, scores = ranking
    is_found = rows >= 0
    is_stopgap = (is_found.sum(axis=1, keepdims=True) == 1) & (scores == 0)
    return np.where(is_found & ~is_stopgap, 1 / (_FUSION_CONSTANT + 1 + np.arange(rows.shape[1])), 0.0)


@dataclass(frozen=True)
class Part:
    """A system in a fusion; weights are relative to each other, and 0 leaves a system out."""

    system: System
    weight: float


@dataclass(frozen=True, eq=False)
class FusedSystem:
    """The first `POOL` passages of each part, ordered by the sum of what they count there.

    Attributes:
        name: the name in TREC runs and tables.
        parts: at least one with a weight above 0; with exactly one, the system is that part.
        ranks_of_ids: the order of passages with equal scores, `Corpus.ranks_of_ids`.
        gains: what a place in the ranking of a part counts.
    """

    name: str
    parts: Sequence[Part]
    ranks_of_ids: Rows
    gains: Gains = standardised

    def prepare(self, queries: Sequence[str]) -> Search:
        """Prepares the parts; whatever the depth asked for, no more is found than the parts' first `POOL` passages."""
        parts = [part for part in self.parts if part.weight > 0]
        searches = [part.system.prepare(queries) for part in parts]
        if len(parts) == 1:
            return searches[0]
        rankings = [search(POOL) for search in searches]
        return known_search(fuse(rankings, [part.weight for part in parts], self.gains, self.ranks_of_ids))


@dataclass(frozen=True)
class FoundSystem:
    """What a system found for a list of queries, kept, so that many fusions of it search once.

    Attributes:
        name: the name of the system.
        ranking: the rows and scores of these queries, (queries, depth).
    """

    name: str
    ranking: Ranking

    def prepare(self, queries: Sequence[str]) -> Search:
        """Returns what was found, to any depth up to the one that is kept."""
        searched = len(self.ranking[0])
        assert len(queries) == searched, f"{len(queries)} queries, where {searched} were searched"
        return known_search(self.ranking)


def fuse(rankings: Sequence[Ranking], weights: Sequence[float], gains: Gains, ranks_of_ids: Rows) -> Ranking:
    """Orders the passages of several rankings of the same queries by the weighted sum of what they count in each.

    Args:
        rankings: rows and scores of each, (queries, depth), row -1 where there is none.
        weights: one for each ranking.
        gains: what a place in a ranking counts.
        ranks_of_ids: the order of passages with equal sums; see `id_ranks`.

    Returns:
        Rows and sums, best first, filled up with row -1. They are as wide as all rankings together, or as there are
        passages: whoever reads that a ranking ends early reads the same for a query whichever others stand beside it.
    """
    rows = np.concatenate([found for found, _ in rankings], axis=1)
    counted = np.concatenate([weight * gains(found) for weight, found in zip(weights, rankings, strict=True)], axis=1)
    is_found = rows >= 0
    queries = np.nonzero(is_found)[0]
    pairs, inverse = np.unique(queries * len(ranks_of_ids) + rows[is_found], return_inverse=True)
    sums = np.bincount(inverse, counted[is_found], len(pairs)).astype(np.float32)
    queries, passages = np.divmod(pairs, max(len(ranks_of_ids), 1))
    order = np.lexsort((ranks_of_ids[passages], -sums, queries))
    counts = np.bincount(queries, minlength=len(rows))
    places = np.arange(len(pairs)) - np.repeat(np.cumsum(counts) - counts, counts)
    fused_rows, fused_sums = blank_ranking(len(rows), min(rows.shape[1], len(ranks_of_ids)))
    fused_rows[:] = -1
    fused_rows[queries, places], fused_sums[queries, places] = passages[order], sums[order]
    return fused_rows, fused_sums
