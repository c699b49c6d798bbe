"""A system whose results count more or less by what is known of them beside their text: their age, their source.

In: a system, and a factor for each passage. Out: the first `POOL` passages of that system, each with what its place
counts (`Gains`) times its factor. Scores of most systems may be negative or have any zero, so they cannot be multiplied
as they are; what a place counts above the last one can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.search.fusion import POOL, Gains, fuse, standardised
from engine.search.order import Ranking, Rows
from engine.search.systems import Search, System, known_search


@dataclass(frozen=True, eq=False)
class BoostedSystem:
    """The first passages of a system, ordered by what they count there times a factor.

    Attributes:
        name: the name in TREC runs and tables.
        system: finds the passages.
        factors: the factor of each passage, above 0, (passages,); 1 leaves it as it is.
        ranks_of_ids: the order of passages that count the same; see `id_ranks`.
        gains: what a place in the ranking counts.
    """

    name: str
    system: System
    factors: NDArray[np.float64]
    ranks_of_ids: Rows
    gains: Gains = standardised

    def prepare(self, queries: Sequence[str]) -> Search:
        """Searches once; whatever the depth asked for, no more is found than the first `POOL` passages."""

        def boosted(ranking: Ranking) -> NDArray[np.float64]:
            return np.asarray(self.gains(ranking) * np.where(ranking[0] >= 0, self.factors[ranking[0]], 1.0))

        return known_search(fuse([self.system.prepare(queries)(POOL)], [1.0], boosted, self.ranks_of_ids))
