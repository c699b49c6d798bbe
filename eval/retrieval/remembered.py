"""A system that searches a list of queries once, however many measurements ask for what it finds.

In: a system. Out: a system that gives the same rankings. A report searches the same queries alone, with words at
several weights and in folds; encoding and searching them is most of its time. What is kept is the deepest ranking so
far, whose first places are those of any other. It goes with the number of queries that are measured on, which the
config limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from engine.search.order import Ranking
from engine.search.systems import Search, System


class RememberedSystem:
    """A system that keeps what it found.

    Args:
        system: the system that is asked for each new list of queries.
    """

    def __init__(self, system: System) -> None:
        self.name, self._system = system.name, system
        self._searches: dict[tuple[str, ...], Search] = {}

    def prepare(self, queries: Sequence[str]) -> Search:
        """Returns the search over these queries, prepared now or before."""
        key = tuple(queries)
        if key not in self._searches:
            self._searches[key] = _DeepestSearch(self._system.prepare(queries))
        return self._searches[key]


class SearchedOnce:
    """A system that keeps what it found for as long as it is told to.

    It is the first stage that several depths of a reranker share. Whoever measures time tells it nothing, and every
    query is searched.

    Args:
        system: the system that is asked.
    """

    def __init__(self, system: System) -> None:
        self.name, self._system = system.name, system
        self._remembered: RememberedSystem | None = None

    @contextmanager
    def remember(self) -> Iterator[None]:
        """Keeps what is found until the block ends."""
        self._remembered = RememberedSystem(self._system)
        try:
            yield
        finally:
            self._remembered = None

    def prepare(self, queries: Sequence[str]) -> Search:
        """Returns the search over these queries, prepared now or before."""
        return (self._remembered or self._system).prepare(queries)


class _DeepestSearch:
    """A search that is done again only where more is asked for than ever before."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._depth = 0
        self._ranking: Ranking | None = None

    def __call__(self, depth: int) -> Ranking:
        if self._ranking is None or depth > self._depth:
            self._depth, self._ranking = depth, self._search(depth)
        rows, scores = self._ranking
        return rows[:, :depth].copy(), scores[:, :depth].copy()
