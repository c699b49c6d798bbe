"""A system whose results count more or less by what is known of them beside their text: their age, their source.

In: a system, and a factor for each passage. Out: the first `POOL` passages of that system, each with what its place
counts (`Gains`) times its factor. Scores of most systems may be negative or have any zero, so they cannot be multiplied
as they are; what a place counts above the last one can.

A ranking of fewer than `POOL` passages is complete: the system was asked for so many, and there are no more for this
query, as behind a filter that lets few pass. Nothing was cut then, so its last place is a passage like any other, and
it would count nothing only because something has to be last. There every place counts one standard deviation more, and
a factor lifts the last one too. A ranking of `POOL` passages may have been cut, and counts from its last place.

Factors are logarithms, and passages are ordered by sums of these: a passage that is thousands of half-lives old has a
factor that no number holds, and is still before one that is older.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.search.fusion import POOL, Gains, standardised
from engine.search.order import Ranking, Rows
from engine.search.systems import Search, System, known_search

_HIGHEST = 127.0
"""The logarithm of the highest score that is given; float32 ends just above, and what counts more is ordered before."""


@dataclass(frozen=True, eq=False)
class BoostedSystem:
    """The first passages of a system, ordered by what they count there times a factor.

    Attributes:
        name: the name in TREC runs and tables.
        system: finds the passages.
        log_factors: the base-2 logarithm of the factor of each passage, (passages,); 0 leaves it as it is.
        ranks_of_ids: the order of passages that count the same; see `id_ranks`.
        gains: what a place in the ranking counts.
    """

    name: str
    system: System
    log_factors: NDArray[np.float64]
    ranks_of_ids: Rows
    gains: Gains = standardised

    def prepare(self, queries: Sequence[str]) -> Search:
        """Searches once; whatever the depth asked for, no more is found than the first `POOL` passages."""
        rows, scores = self.system.prepare(queries)(POOL)
        is_found = rows >= 0
        with np.errstate(divide="ignore"):  # the last of a ranking that was cut counts nothing
            logs = np.log2(self._counted((rows, scores))) + self.log_factors[rows]
        order = np.lexsort((self.ranks_of_ids[rows], -logs, ~is_found), axis=1)
        counted = np.where(is_found, np.exp2(np.minimum(logs, _HIGHEST)), 0.0).astype(np.float32)
        return known_search((np.take_along_axis(rows, order, axis=1), np.take_along_axis(counted, order, axis=1)))

    def _counted(self, ranking: Ranking) -> NDArray[np.float64]:
        """Returns what each place counts before boosts, (queries, depth); in a complete ranking never nothing."""
        gains, is_found = self.gains(ranking), ranking[0] >= 0
        is_complete = is_found.sum(axis=1, keepdims=True) < POOL
        counts_nothing = (is_found & (gains == 0)).any(axis=1, keepdims=True)
        return np.asarray(gains + (is_found & is_complete & counts_nothing))
