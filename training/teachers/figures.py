"""What the scores of a teacher are like, in figures for people: how often it agrees that the own passage is the best.

In: scores of candidates, some queries at a time. Out: the record of the step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.artifacts.teacher import Scores, TeacherRecord


@dataclass
class Tally:
    """Sums over the queries that were added."""

    queries: int = 0
    unscored: int = 0
    first: int = 0
    ranks: int = 0
    spreads: float = 0.0

    def add(self, scores: Scores) -> None:
        """Adds the scores of some queries, (n, k), the own passage first; NaN where there is none."""
        scored = scores[is_scored(scores)].astype(np.float64)
        ahead = (scored > scored[:, :1]).sum(axis=1)
        self.queries += len(scores)
        self.unscored += len(scores) - len(scored)
        self.first += int((ahead == 0).sum())
        self.ranks += int((ahead + 1).sum())
        self.spreads += float(scored.std(axis=1).sum())

    def record(self, candidates: int, drawn: int) -> TeacherRecord:
        """Makes the record.

        Args:
            candidates: those of each query.
            drawn: how many of all were drawn at random.
        """
        counted = max(1, self.queries - self.unscored)
        return TeacherRecord(
            queries=self.queries,
            candidates=candidates,
            drawn=drawn,
            unscored=self.unscored,
            own_first=round(self.first / counted, 4),
            own_rank=round(self.ranks / counted, 4),
            spread=round(self.spreads / counted, 6),
        )


def is_scored(scores: Scores) -> NDArray[np.bool_]:
    """Tells of which queries all candidates have a score, (n,)."""
    return np.asarray(np.isfinite(scores).all(axis=1))
