"""A system that searches only some of the passages: filtered before anything is ranked.

In: a system, and which passages are allowed. Out: a system that finds what the other one would find if no other passage
were there, but for the statistics of BM25, which stay those of the whole collection (as in Lucene). A filter behind a
ranking would lose allowed passages behind the rank where the ranking, or the fusion in it, was cut; so the filter goes
down to the systems that a made one is made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from engine.search.bm25 import Bm25Index
from engine.search.boosted import BoostedSystem
from engine.search.dense import DenseIndex
from engine.search.encoder import Encoder
from engine.search.fusion import FusedSystem, Part
from engine.search.order import Ranking, Rows, best_positions, blank_ranking, rows_by_id
from engine.search.reranked import RerankedSystem
from engine.search.stored_queries import StoredQueriesSystem
from engine.search.systems import ALL, Bm25System, DenseSystem, Numbers, Search, System, numbered


@dataclass(frozen=True, eq=False)
class FilteredSystem:
    """A system over the allowed passages.

    Attributes:
        name: the name in TREC runs and tables.
        system: what is searched; made of BM25, encoders, and the systems that are made of systems.
        is_allowed: which passages may be found, (passages,).
    """

    name: str
    system: System
    is_allowed: NDArray[np.bool_]

    def prepare(self, queries: Sequence[str]) -> Search:
        """Prepares the narrowed system; its indexes are made with the first search."""
        return self._narrowed.prepare(queries)

    @cached_property
    def _narrowed(self) -> System:
        return narrowed(self.system, self.is_allowed)


def narrowed(system: System, is_allowed: NDArray[np.bool_]) -> System:
    """Returns a system of the same kind that finds allowed passages only; `is_allowed` is (passages,).

    Raises:
        TypeError: it is a kind of system that cannot be searched in part.
    """
    match system:
        case Bm25System():
            narrow: System = _AllowedBm25(system.name, system.index, is_allowed)
        case DenseSystem():
            rows = np.flatnonzero(is_allowed)
            ids = [system.index.ids[row] for row in rows.tolist()]
            narrow = _AllowedDense(system.name, system.encoder, DenseIndex(ids, system.index.vectors[rows]), rows)
        case FusedSystem():
            parts = [Part(narrowed(part.system, is_allowed), part.weight) for part in system.parts]
            narrow = replace(system, parts=parts)
        case RerankedSystem():
            narrow = replace(system, first=narrowed(system.first, is_allowed))
        case StoredQueriesSystem():
            narrow = replace(system, queries=narrowed(system.queries, is_allowed[system.passage_of]))
        case BoostedSystem():
            narrow = replace(system, system=narrowed(system.system, is_allowed))
        case FilteredSystem():
            narrow = narrowed(system.system, system.is_allowed & is_allowed)
        case _:
            raise TypeError(f"a {type(system).__name__} cannot be filtered before it ranks")
    return narrow


@dataclass(frozen=True, eq=False)
class _AllowedBm25:
    """BM25 with the statistics of all passages, over some of them."""

    name: str
    index: Bm25Index
    is_allowed: NDArray[np.bool_]

    def prepare(self, queries: Sequence[str]) -> Search:
        return lambda depth, numbers=ALL: self._search(numbered(queries, numbers), depth)

    def _search(self, queries: Sequence[str], depth: int) -> Ranking:
        """Drops passages that share no word with the query, but keeps the first, as `Bm25System` does."""
        width = min(depth, len(self._by_id))
        rows, scores = blank_ranking(len(queries), width)
        for number, query in enumerate(queries):
            of_allowed = self.index.scores(query)[self._by_id]
            best = best_positions(of_allowed, width)
            rows[number], scores[number] = self._by_id[best], of_allowed[best]
        rows[:, 1:][scores[:, 1:] <= 0] = -1
        return rows, scores

    @cached_property
    def _by_id(self) -> Rows:
        """Returns the allowed rows in the order of equal scores."""
        rows = rows_by_id(self.index.ids)
        return rows[self.is_allowed[rows]]


@dataclass(frozen=True, eq=False)
class _AllowedDense:
    """An encoder over an exact index of some passages."""

    name: str
    encoder: Encoder
    index: DenseIndex
    rows: Rows
    """The row of each passage of the index among all passages."""

    def prepare(self, queries: Sequence[str]) -> Search:
        vectors = self.encoder.encode_queries(list(queries))

        def search(depth: int, numbers: Numbers = ALL) -> Ranking:
            found, scores = self.index.search(vectors[numbers], depth)
            return self.rows[found], scores

        return search
