"""Search by stored queries: a passage is found through the queries that were written from it.

In: a system that finds stored queries, and the passage of each. Out: a system that finds passages. A question is more
like another question than like the passage that answers it; so the nearest stored queries lead to passages whose own
words are far from the question (after doc2query, Nogueira et al. 2019, and matching of questions in FAQ retrieval).
A passage without a stored query is never found, so that such a system stands beside others in a fusion.

A stored query with the words of the one that is searched for is left out. Where synthetic queries are what is measured
they would find themselves, and their passage with them. It goes by words, so a query of which words were taken away is
not told from a new one: whoever measures by such queries must not search so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from engine.search.fusion import fuse
from engine.search.order import Ranking, Rows
from engine.search.systems import Search, System, known_search
from engine.text.words import words

NEAREST = 200
"""The number of stored queries that a search looks at."""


@dataclass(frozen=True, eq=False)
class StoredQueriesSystem:
    """Passages by the stored queries that are nearest to a query.

    Attributes:
        name: the name in TREC runs and tables.
        queries: finds stored queries: its rows are their numbers, from 0 to n - 1.
        texts: the stored queries, (n,).
        passage_of: the passage of each, (n,).
        ranks_of_ids: the order of passages with equal scores; see `id_ranks`.
        sums: whether a passage scores the sum over its queries of what each scores above the last one found, which
            favours passages with many queries; else it scores as its best one.
    """

    name: str
    queries: System
    texts: Sequence[str]
    passage_of: Rows
    ranks_of_ids: Rows
    sums: bool = False

    def prepare(self, queries: Sequence[str]) -> Search:
        """Finds the nearest stored queries; whatever the depth asked for, no more is found than their passages."""
        rows, scores = self.queries.prepare(queries)(NEAREST + 1)
        rows = np.where(self._are_same(queries, rows), -1, rows)[:, :NEAREST]
        passages = np.where(rows >= 0, self.passage_of[rows], -1) if len(self.passage_of) else rows
        found = passages, scores[:, :NEAREST]
        if self.sums:
            return known_search(fuse([found], [1.0], _above_last, self.ranks_of_ids))
        first = np.where(_is_first(passages), passages, -1)
        return known_search(fuse([(first, found[1])], [1.0], _as_they_are, self.ranks_of_ids))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """Returns a number for all stored queries with the same words, by those."""
        numbers: dict[str, int] = {}
        for text in self.texts:
            numbers.setdefault(_folded(text), len(numbers))
        return numbers

    @cached_property
    def _number_of(self) -> Rows:
        return np.array([self._numbers[_folded(text)] for text in self.texts], np.int64)

    def _are_same(self, queries: Sequence[str], rows: Rows) -> NDArray[np.bool_]:
        """Tells which stored queries that were found have the words of the query itself, (queries, found)."""
        if not len(self.texts):
            return np.zeros(rows.shape, bool)
        searched = np.array([self._numbers.get(_folded(text), -1) for text in queries], np.int64)
        return np.asarray(self._number_of[rows] == searched[:, None])


def _folded(text: str) -> str:
    return " ".join(words(text))


def _is_first(passages: Rows) -> NDArray[np.bool_]:
    """Tells where each passage of a ranking stands first, same shape."""
    is_first = np.zeros(passages.shape, bool)
    for found, marks in zip(passages, is_first, strict=True):
        marks[np.unique(found, return_index=True)[1]] = True
    return is_first


def _as_they_are(ranking: Ranking) -> NDArray[np.float64]:
    return np.asarray(ranking[1], np.float64)


def _above_last(ranking: Ranking) -> NDArray[np.float64]:
    """Returns the scores above the least of those found."""
    rows, scores = ranking
    least = np.min(scores, axis=1, where=rows >= 0, initial=np.inf, keepdims=True)
    return np.where(rows >= 0, scores.astype(np.float64) - least, 0.0)
