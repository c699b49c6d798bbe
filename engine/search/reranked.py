"""A system whose first results are ordered anew by a model that reads query and passage together.

In: a first stage, and something that scores pairs of texts. Out: a system like any other: the first `depth` passages of
the first stage by their new scores, then the rest of them as they were. The first stage decides what can be found, the
depth what that costs, so one ranking is kept apart from its scores: what a smaller depth gives follows from the scores
of the largest one (Nogueira and Cho 2019, "Passage Re-ranking with BERT").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from engine.search.order import Ranking, Rows, Scores
from engine.search.systems import ALL, Numbers, Search, System, known_search

_QUERIES_AT_ONCE = 64
"""The queries whose pairs are made at a time, so that memory does not grow with their number."""


class PairScorer(Protocol):
    """Scores how well passages answer queries."""

    def score(self, queries: Sequence[str], passages: Sequence[str]) -> Scores:
        """Scores the passage beside each query, more being better: float32 (pairs,), finite."""


class RememberingScorer:
    """A scorer that scores a pair once for as long as it is told to remember.

    Several depths and first stages then cost what the pairs cost that differ. Whoever measures time tells it nothing,
    and every pair is scored.

    Args:
        scorer: what scores.
    """

    def __init__(self, scorer: PairScorer) -> None:
        self._scorer = scorer
        self._known: dict[tuple[str, str], float] | None = None

    @contextmanager
    def remember(self) -> Iterator[None]:
        """Remembers scores until the block ends."""
        self._known = {}
        try:
            yield
        finally:
            self._known = None

    def score(self, queries: Sequence[str], passages: Sequence[str]) -> Scores:
        """Scores the passage beside each query, as `PairScorer.score`."""
        if self._known is None:
            return self._scorer.score(queries, passages)
        pairs = list(zip(queries, passages, strict=True))
        unknown = [pair for pair in dict.fromkeys(pairs) if pair not in self._known]
        if unknown:
            scores = self._scorer.score([query for query, _ in unknown], [passage for _, passage in unknown])
            self._known.update(zip(unknown, scores.tolist(), strict=True))
        return np.array([self._known[pair] for pair in pairs], np.float32)


@dataclass(frozen=True, eq=False)
class RerankedSystem:
    """The first passages that another system finds, ordered by a scorer.

    Attributes:
        name: the name in TREC runs and tables.
        first: finds the passages.
        scorer: orders them.
        texts: the text of each passage as the scorer reads it, (passages,).
        ranks_of_ids: the order of passages with equal scores; see `id_ranks`.
        depth: the number of passages that are scored for each query, 1 or more.
    """

    name: str
    first: System
    scorer: PairScorer
    texts: Sequence[str]
    ranks_of_ids: Rows
    depth: int = 100

    def prepare(self, queries: Sequence[str]) -> Search:
        """Prepares the first stage; it is searched, and pairs are scored, when the first ranking is asked for."""
        return _RerankedSearch(self, queries)


class _RerankedSearch:
    """A search that scores what the first stage finds once; a deeper one appends what stands behind that.

    The first stage is searched as deep as is asked for at once, since a first search to the depth of the scorer would
    be done again by whoever wants more.
    """

    def __init__(self, system: RerankedSystem, queries: Sequence[str]) -> None:
        self._system, self._queries = system, queries
        self._search = system.first.prepare(queries)
        self._searched = 0
        self._found: Ranking | None = None
        self._scores: Scores | None = None

    def __call__(self, depth: int, numbers: Numbers = ALL) -> Ranking:
        system, deepest = self._system, max(depth, self._system.depth)
        if self._found is None or (isinstance(numbers, slice) and deepest > self._searched):
            self._found, self._searched = self._search(deepest), deepest
        if self._scores is None:
            pool = self._found[0][:, : system.depth]
            self._scores = score_pool(system.scorer, self._queries, system.texts, pool)
        is_known = deepest <= self._searched
        found = known_search(self._found)(deepest, numbers) if is_known else self._search(deepest, numbers)
        rows, ordered = rescored(found, self._scores[numbers], system.ranks_of_ids)
        return rows[:, :depth], ordered[:, :depth]


def score_pool(scorer: PairScorer, queries: Sequence[str], texts: Sequence[str], rows: Rows) -> Scores:
    """Scores the passages that were found for each query.

    Args:
        scorer: scores pairs.
        queries: texts, (queries,).
        texts: the text of each passage.
        rows: the passages of each query, (queries, depth), -1 where there is none.

    Returns:
        Scores of the same shape; minus infinity where there is no passage.
    """
    scores = np.full(rows.shape, -np.inf, np.float32)
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        numbers, places = np.nonzero(rows[start : start + _QUERIES_AT_ONCE] >= 0)
        numbers += start
        if len(numbers):
            asked = [queries[number] for number in numbers.tolist()]
            scores[numbers, places] = scorer.score(asked, [texts[row] for row in rows[numbers, places].tolist()])
    return scores


def rescored(found: Ranking, scores: Scores, ranks_of_ids: Rows) -> Ranking:
    """Orders the first passages of a ranking by new scores, and lets the rest follow in its order.

    Args:
        found: rows and scores, (queries, n).
        scores: new scores of the first passages, (queries, at most n); minus infinity for row -1.
        ranks_of_ids: the order of passages with equal scores.

    Returns:
        Rows and scores, (queries, n); those of the rest are whole numbers below every new score.
    """
    rows, depth = found[0], scores.shape[1]
    head, rest = rows[:, :depth], rows[:, depth:]
    head_scores = scores[:, : head.shape[1]]
    order = np.lexsort((ranks_of_ids[head], -head_scores), axis=-1)
    head, head_scores = np.take_along_axis(head, order, 1), np.take_along_axis(head_scores, order, 1)
    lowest = np.min(head_scores, axis=1, where=head >= 0, initial=0.0)
    below = np.floor(lowest)[:, None] - 1 - np.arange(rest.shape[1])
    all_rows = np.concatenate([head, rest], axis=1)
    all_scores = np.concatenate([head_scores, below], axis=1).astype(np.float32)
    return all_rows, np.where(all_rows >= 0, all_scores, np.float32(0))
