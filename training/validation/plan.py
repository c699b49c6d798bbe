"""What validation measures, and how often, as the driver plans it and rank 0 does it.

In: the queries and passages that were chosen. Out: one frozen value that crosses to the workers, some hundred kilobytes
at most. It is apart from how it is chosen, so that a worker needs nothing of the folders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ValidationPlan:
    """The queries, the passages that they are searched in, and the steps at which that is done.

    Attributes:
        every: the steps from one validation to the next.
        queries: the texts of q queries, synthetic ones first.
        passages: the texts of n distinct passages, as the encoder reads them.
        documents: the number of each passage's document, from 0 on, n of them.
        grades: for each query the grades of its relevant documents, by their numbers, q of them.
        clusters: the unit that each query is of, its document or itself, q of them: queries of one unit are no
            independent evidence.
        num_judged: how many of the queries are judged ones, the last of them.
    """

    every: int
    queries: tuple[str, ...]
    passages: tuple[str, ...]
    documents: tuple[int, ...]
    grades: tuple[Mapping[int, int], ...]
    clusters: tuple[str, ...]
    num_judged: int = 0

    def is_due(self, step: int, total_steps: int) -> bool:
        """Tells whether the model is measured after a step; the same on every rank."""
        return step % self.every == 0 or step >= total_steps
