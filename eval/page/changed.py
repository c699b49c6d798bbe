"""A query whose ranking moved, and which queries moved most: between two models of a report, or between two runs.

In: how much each query gained. Out: the rows of those that gained and lost most, and a record of each for a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ChangedQuery:
    """One query whose ranking moved.

    Attributes:
        query: its text.
        document_id: the relevant document that the better of the two rankings puts first; "" where none is known.
        passage: the start of that document.
        rank_before, rank_after: rank of the first relevant document in the two rankings; 0: not found.
        before, after: nDCG@10 in both.
        query_id: its id; "" between runs, which know a query by its text.
    """

    query: str
    document_id: str
    passage: str
    rank_before: int
    rank_after: int
    before: float
    after: float
    query_id: str = ""


@dataclass(frozen=True)
class Moved:
    """The rows of queries that gained, the largest gain first, and of those that lost, the largest loss first."""

    better: Sequence[int]
    worse: Sequence[int]
    num_same: int


def moved_most(gains: NDArray[np.float64]) -> Moved:
    """Sorts queries by what they gained, (queries,); of equal gains the later row comes first, of losses the former."""
    order = np.argsort(gains, kind="stable")
    worse = [int(row) for row in order if gains[row] < 0]
    better = [int(row) for row in order[::-1] if gains[row] > 0]
    return Moved(better, worse, len(gains) - len(better) - len(worse))
