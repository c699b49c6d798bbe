"""A system that prepares a list of queries once, however many measurements search them.

In: a system. Out: a system that gives the same rankings. A report searches the same queries alone, with words at
several weights and in folds; to encode them is most of the time. What is kept goes with the number of queries that are
measured on, which the config limits.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.search.systems import Search, System


class RememberedSystem:
    """A system that keeps what it prepared.

    Args:
        system: the system that is asked for each new list of queries.
    """

    def __init__(self, system: System) -> None:
        self.name, self._system = system.name, system
        self._prepared: dict[tuple[str, ...], Search] = {}

    def prepare(self, queries: Sequence[str]) -> Search:
        """Returns the search over these queries, prepared now or before."""
        key = tuple(queries)
        if key not in self._prepared:
            self._prepared[key] = self._system.prepare(queries)
        return self._prepared[key]
