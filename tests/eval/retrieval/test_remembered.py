"""A list of queries is prepared once, and every search of it is the system's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.search.bm25 import Bm25Index
from engine.search.systems import Bm25System, Search
from eval.retrieval.remembered import RememberedSystem


class Counting:
    """BM25 that counts how often it prepares."""

    name = "counted"

    def __init__(self) -> None:
        self.system = Bm25System(Bm25Index(["a", "b", "c"], ["red fox", "red hen", "blue hen"]))
        self.prepared = 0

    def prepare(self, queries: Sequence[str]) -> Search:
        self.prepared += 1
        return self.system.prepare(queries)


def test_the_same_queries_are_prepared_once_and_searched_to_any_depth() -> None:
    counting = Counting()
    system = RememberedSystem(counting)
    assert system.name == "counted"
    for depth in (1, 3, 2):
        rows, scores = system.prepare(["hen", "fox"])(depth)
        expected = counting.system.prepare(["hen", "fox"])(depth)
        assert np.array_equal(rows, expected[0])
        assert np.array_equal(scores, expected[1])
    assert counting.prepared == 1
    system.prepare(["fox", "hen"])
    assert counting.prepared == 2, "another order is another list"
