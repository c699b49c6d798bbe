"""Retrieval systems behind one interface: whatever finds passages for a query, alone or made of others.

In: texts of queries, and an index over passages. Out: rows of passages with scores. A system prepares queries once
and searches them to any depth, so that a deeper search does not encode them again. Systems made of other systems are in
`fusion.py`; each is a system again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from engine.search.order import Ranking, VectorIndex

if TYPE_CHECKING:
    from engine.search.bm25 import Bm25Index
    from engine.search.encoder import Encoder

Search = Callable[[int], Ranking]
"""Takes a depth and gives what one system finds for a fixed list of queries: rows of passages and their scores, best
first, both of shape (queries, depth); row -1 fills up where there are fewer."""


class System(Protocol):
    """One retrieval system over a corpus."""

    @property
    def name(self) -> str:
        """The name of the system in TREC runs, tables and files."""

    def prepare(self, queries: Sequence[str]) -> Search:
        """Does once what does not depend on the depth of the search, such as encoding the queries."""


@dataclass(frozen=True)
class Bm25System:
    """BM25 over the terms of an analyser, in the form that Lucene uses."""

    index: Bm25Index
    name: str = "bm25"

    def prepare(self, queries: Sequence[str]) -> Search:
        """Prepares nothing, since BM25 reads the queries as they are."""
        return lambda depth: self._search(queries, depth)

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
        vectors = self.encoder.encode_queries(list(queries))
        return lambda depth: self.index.search(vectors, depth)
