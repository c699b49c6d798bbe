"""A list of queries is prepared and searched once, and whatever is asked for of it is what the system finds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.search.bm25 import Bm25Index
from engine.search.order import Ranking
from engine.search.systems import ALL, Bm25System, Numbers, Search
from eval.retrieval.remembered import RememberedSystem, SearchedOnce


class Counting:
    """BM25 that notes what it is asked for."""

    name = "counted"

    def __init__(self) -> None:
        self.system = Bm25System(Bm25Index(["a", "b", "c"], ["red fox", "red hen", "blue hen"]))
        self.prepared = 0
        self.depths: list[int] = []

    def prepare(self, queries: Sequence[str]) -> Search:
        self.prepared += 1
        search = self.system.prepare(queries)

        def counted(depth: int, numbers: Numbers = ALL) -> Ranking:
            self.depths.append(depth)
            return search(depth, numbers)

        return counted


def test_the_same_queries_are_searched_again_only_for_more() -> None:
    counting = Counting()
    system = RememberedSystem(counting)
    assert system.name == "counted"
    for depth in (1, 3, 2, 3):
        rows, scores = system.prepare(["hen", "fox"])(depth)
        expected = counting.system.prepare(["hen", "fox"])(depth)
        assert np.array_equal(rows, expected[0])
        assert np.array_equal(scores, expected[1])
        rows[:], scores[:] = -1, 0  # what a caller does with its arrays changes nothing
    assert (counting.prepared, counting.depths) == (1, [1, 3])
    system.prepare(["fox", "hen"])
    assert counting.prepared == 2, "another order is another list"


def test_some_queries_are_searched_deeper_by_themselves_and_once() -> None:
    counting = Counting()
    search = RememberedSystem(counting).prepare(["hen", "fox", "red"])
    whole, some = counting.system.prepare(["hen", "fox", "red"]), np.array([0, 2])
    for depth, numbers in ((1, ALL), (3, some), (2, some), (3, some), (1, some), (3, np.array([1]))):
        found, expected = search(depth, numbers), whole(depth)
        assert np.array_equal(found[0], expected[0][numbers])
        assert np.array_equal(found[1], expected[1][numbers])
    assert counting.depths == [1, 3, 3], "what is known of all queries is known of some"


def test_a_shared_system_is_searched_once_while_it_is_told_to_and_anew_where_time_is_measured() -> None:
    counting = Counting()
    shared = SearchedOnce(counting)
    with shared.remember():
        deep = shared.prepare(["red hen"])(3)
        shallow = shared.prepare(["red hen"])(1)
    assert (counting.prepared, counting.depths) == (1, [3])
    np.testing.assert_array_equal(deep[0][:, :1], shallow[0])
    shared.prepare(["red hen"])(1)
    assert counting.prepared == 2
