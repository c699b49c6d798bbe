"""The figures of a reranker by the number of passages that it is given.

In: what `eval/reranking/depths.py` measured. Out: records for report.json, which the page reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.sweeps.paired import Paired


@dataclass(frozen=True)
class RerankPoint:
    """What a reranker reaches with so many passages of each query."""

    depth: int
    """The number of passages that are scored; 0 is the first stage alone."""
    ndcg: float
    """Mean nDCG@10."""
    ci95: tuple[float, float]
    """The 95 % interval of the mean."""
    to_first: Paired | None
    """This depth minus the first stage alone, with p corrected for the number of depths; None at depth 0."""
    latency_ms: float | None = None
    """Median milliseconds of one query, from its text to its passages; None where none was measured."""


@dataclass(frozen=True)
class RerankCurve:
    """A reranker at all depths."""

    first: str
    """The name of the first stage."""
    queries: int
    cluster: str
    """The unit that intervals take as independent: query or document."""
    clusters: int
    """The number of such units."""
    points: Sequence[RerankPoint]
    """By depth, the first stage alone first."""
