"""Retrieval systems behind one interface: whatever finds passages for a query, alone or made of others.

In: texts of queries, and an index over passages. Out: rows of passages with scores. A system prepares queries once
and searches them to any depth, so that a deeper search does not encode them again. Systems made of other systems are in
`fusion.py`; each is a system again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from engine.search.order import Ranking, Rows, VectorIndex, Vectors

if TYPE_CHECKING:
    from engine.search.bm25 import Bm25Index
    from engine.search.encoder import Encoder

Numbers = Rows | slice
"""The numbers of some queries of a list, as an index into arrays with a row for each query."""
ALL = slice(None)
"""The numbers of all queries."""


class Search(Protocol):
    """What one system finds for a fixed list of queries."""

    def __call__(self, depth: int, numbers: Numbers = ALL) -> Ranking:
        """Finds passages for those queries: rows and scores, best first, both (numbers, depth).

        Row -1 fills up where there are fewer. What is found for a query does not depend on the others that are asked
        for, so that whoever needs more for a few of them searches for these alone.
        """


class System(Protocol):
    """One retrieval system over a corpus."""

    @property
    def name(self) -> str:
        """The name of the system in TREC runs, tables and files."""

    def prepare(self, queries: Sequence[str]) -> Search:
        """Does once what does not depend on the depth of the search, such as encoding the queries."""


def known_search(ranking: Ranking) -> Search:
    """Returns the search of what is known of all queries, to any depth up to its width."""
    rows, scores = ranking

    def search(depth: int, numbers: Numbers = ALL) -> Ranking:
        return rows[numbers, :depth].copy(), scores[numbers, :depth].copy()

    return search


def vector_search(index: VectorIndex, vectors: Vectors) -> Search:
    """Returns the search by the vectors of all queries, (queries, dim)."""

    def search(depth: int, numbers: Numbers = ALL) -> Ranking:
        return index.search(vectors[numbers], depth)

    return search


def numbered(queries: Sequence[str], numbers: Numbers) -> list[str]:
    """Returns the texts of some queries of a list."""
    return [queries[number] for number in np.arange(len(queries))[numbers].tolist()]


@dataclass(frozen=True)
class Bm25System:
    """BM25 over the terms of an analyser, in the form that Lucene uses."""

    index: Bm25Index
    name: str = "bm25"

    def prepare(self, queries: Sequence[str]) -> Search:
        """Prepares nothing, since BM25 reads the queries as they are."""
        return lambda depth, numbers=ALL: self._search(numbered(queries, numbers), depth)

    def _search(self, queries: Sequence[str], depth: int) -> Ranking:
        """Drops passages that share no word with the query, but keeps the first, so that every query has a result."""
        rows, scores = self.index.search(queries, depth)
        rows[:, 1:][scores[:, 1:] <= 0] = -1
        return rows, scores


@dataclass(frozen=True)
class DenseSystem:
    """A bi-encoder over an index of vectors."""

    name: str
    encoder: Encoder
    index: VectorIndex

    def prepare(self, queries: Sequence[str]) -> Search:
        """Encodes the queries."""
        return vector_search(self.index, self.encoder.encode_queries(list(queries)))
