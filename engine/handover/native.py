"""How far the fusions that search engines have are from the one that was measured, on queries of the run.

In: what words and meaning find for some queries. Out: the weight that comes nearest with scores between least and
largest (min-max), and how many of the first ten passages stay. Search engines do not standardise scores as the report
does, so that its weight is not theirs: a ranking whose first score lies many standard deviations above its last counts
for more here than there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.artifacts.report import ReportFolder
from engine.handover.parts import Meaning, Words
from engine.search.fusion import POOL, Gains, fuse, reciprocal, standardised
from engine.search.order import Ranking, Rows, id_ranks

_QUERIES = 100
"""The queries that fusions are compared on, at most."""
_FIRST = 10
"""The passages that are compared."""


def compare_on_queries(reported: ReportFolder, words: Words, meaning: Meaning, weight: float) -> dict[str, Any] | None:
    """Searches queries of the report with both parts, and compares fusions; None where it had no query.

    Args:
        reported: the report, for texts of queries.
        words: the part that searches by words.
        meaning: the part that searches by vectors.
        weight: the weight of words.
    """
    queries = reported.queries(_QUERIES)
    if not queries:
        return None
    found = [part.system().prepare(queries)(POOL) for part in (words, meaning)]
    return compare_fusions(found[0], found[1], weight, id_ranks(meaning.ids))


def compare_fusions(words: Ranking, meaning: Ranking, weight: float, ranks_of_ids: Rows) -> dict[str, Any]:
    """Compares fusions of the same rankings.

    Args:
        words: rows and scores by words, (queries, pool), for one query or more.
        meaning: the same by meaning.
        weight: that of words with standardised scores, between 0 and 1.
        ranks_of_ids: the order of passages with equal scores.

    Returns:
        `queries`, their number; `min_max_weight` and `z_score_weight`, the weights of words for scores that are brought
        between 0 and 1, and for those above the mean; `min_max_kept`, `z_score_kept` and `reciprocal_kept`, the shares
        of the first ten passages that stay with these weights, and with reciprocal ranks, 1 / (60 + rank), without one.
    """
    min_max_weight = _nearest_weight(words, meaning, weight, min_max)
    z_score_weight = _nearest_weight(words, meaning, weight, z_score)

    def first_rows(gains: Gains, share: float) -> Rows:
        return fuse([words, meaning], [share, 1 - share], gains, ranks_of_ids)[0][:, :_FIRST]

    measured = first_rows(standardised, weight)
    return {
        "queries": len(measured),
        "min_max_weight": min_max_weight,
        "min_max_kept": round(_kept(measured, first_rows(min_max, min_max_weight)), 3),
        "z_score_weight": z_score_weight,
        "z_score_kept": round(_kept(measured, first_rows(z_score, z_score_weight)), 3),
        "reciprocal_kept": round(_kept(measured, first_rows(reciprocal, 0.5)), 3),
    }


def min_max(ranking: Ranking) -> NDArray[np.float64]:
    """Returns scores between 0, that of the last of a ranking, and 1, that of its first; 1 where all are equal."""
    rows, scores = ranking
    is_found = rows >= 0
    least = np.where(is_found, scores, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    above = np.where(is_found, scores - np.where(np.isfinite(least), least, 0.0), 0.0)
    largest = above.max(axis=1, keepdims=True, initial=0.0)
    return np.where(is_found, np.where(largest > 0, above / np.where(largest > 0, largest, 1.0), 1.0), 0.0)


def z_score(ranking: Ranking) -> NDArray[np.float64]:
    """Returns how far scores are above the mean of their ranking, in standard deviations; 0 below it, as OpenSearch."""
    rows, scores = ranking
    is_found = rows >= 0
    counts = np.maximum(is_found.sum(axis=1, keepdims=True), 1)
    found = np.where(is_found, scores, 0.0).astype(np.float64)
    above = np.where(is_found, found - found.sum(axis=1, keepdims=True) / counts, 0.0)
    spread = np.sqrt((above**2).sum(axis=1, keepdims=True) / counts)
    gains: NDArray[np.float64] = np.maximum(above, 0.0) / np.where(spread > 0, spread, 1.0)
    return gains


def _nearest_weight(words: Ranking, meaning: Ranking, weight: float, gains: Gains) -> float:
    """Returns the weight of words with which first places count in the same proportion as measured, over all queries.

    Args:
        words: rows and scores by words.
        meaning: the same by meaning.
        weight: that of words with standardised scores.
        gains: what a place counts in the other fusion.
    """
    firsts = [_mean_first(standardised(found)) / (_mean_first(gains(found)) or 1.0) for found in (words, meaning)]
    by_words, by_meaning = weight * firsts[0], (1 - weight) * firsts[1]
    total = by_words + by_meaning
    return round(by_words / total, 3) if total else weight


def _mean_first(gains: NDArray[np.float64]) -> float:
    """Returns what the first place of a ranking counts, averaged over queries."""
    return float(gains.max(axis=1, initial=0.0).mean())


def _kept(measured: Rows, others: Rows) -> float:
    """Returns the share of rows that two rankings of the same queries have in common; row -1 is none."""
    pairs = zip(measured, others, strict=True)
    common = sum(len(np.intersect1d(rows[rows >= 0], found[found >= 0])) for rows, found in pairs)
    return common / max(int((measured >= 0).sum()), 1)
