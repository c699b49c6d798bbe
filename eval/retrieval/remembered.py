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
from engine.search.systems import ALL, Numbers, Search, System, known_search


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
    """A search that is done again only where more is asked for than ever before, of all queries or of some of them."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._known: dict[str, tuple[int, Search]] = {}
        """The depth of the deepest search, and what was found, by the numbers of the queries."""

    def __call__(self, depth: int, numbers: Numbers = ALL) -> Ranking:
        of_all = self._known.get(_key(ALL))
        if of_all and depth <= of_all[0]:
            return of_all[1](depth, numbers)
        known = self._known.get(_key(numbers))
        if known is None or depth > known[0]:
            known = self._known[_key(numbers)] = depth, known_search(self._search(depth, numbers))
        return known[1](depth)


def _key(numbers: Numbers) -> str:
    return str(numbers if isinstance(numbers, slice) else numbers.tolist())
