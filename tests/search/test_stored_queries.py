"""Passages are found through the queries that were written from them, and a query does not find itself."""

from __future__ import annotations

import numpy as np
import pytest

from engine.search.bm25 import Bm25Index
from engine.search.fusion import FusedSystem, Part
from engine.search.order import id_ranks
from engine.search.stored_queries import StoredQueriesSystem
from engine.search.systems import Bm25System

STORED = ["how to bake bread", "baking a loaf of bread", "keep bees in winter", "bees in a hive", "Bake bread how to!"]
PASSAGE_OF = np.array([2, 2, 0, 0, 1])
RANKS = id_ranks(["bees", "oven", "bread"])


def system(*, sums: bool = False, stored: list[str] = STORED) -> StoredQueriesSystem:
    queries = Bm25System(Bm25Index([f"q{number}" for number in range(len(stored))], stored))
    return StoredQueriesSystem("queries", queries, stored, PASSAGE_OF[: len(stored)], RANKS, sums=sums)


def found(*, sums: bool, query: str, depth: int = 3) -> list[int]:
    return system(sums=sums).prepare([query])(depth)[0][0].tolist()


def test_a_passage_scores_as_its_best_query() -> None:
    stored = Bm25Index(list("abcde"), STORED).scores("a hive for bees in winter")
    rows, scores = system().prepare(["a hive for bees in winter"])(3)
    assert rows[0, 0] == 0
    assert scores[0, 0] == pytest.approx(max(stored[2:4]))
    assert len(set(rows[0][rows[0] >= 0].tolist())) == (rows[0] >= 0).sum(), "each passage once"


def test_or_as_the_sum_over_its_queries() -> None:
    assert found(sums=False, query="how to bake some bread", depth=2)[0] in {1, 2}
    assert found(sums=True, query="how to bake a loaf of bread", depth=1) == [2], "two of its queries are near"


@pytest.mark.parametrize("sums", [True, False])
def test_a_query_does_not_find_itself_nor_one_with_its_words_in_order(sums: bool) -> None:
    rows, _ = system(sums=sums).prepare(["Keep bees, in winter?"])(3)
    assert rows[0, 0] == 0, "the other query about bees still leads there"
    alone = system(sums=sums, stored=STORED[:3]).prepare(["keep bees in winter"])(3)[0]
    assert 0 not in alone[0].tolist()


def test_it_is_a_system_like_any_other_and_may_be_empty() -> None:
    empty = system(stored=[])
    assert empty.prepare(["bread"])(3)[0].shape == (1, 0)
    words = Bm25System(Bm25Index(["bees", "oven", "bread"], ["hive", "flour heat heat", "flour"]))
    for stored in (empty, system()):
        fused = FusedSystem("both", [Part(stored, 0.5), Part(words, 0.5)], RANKS)
        assert fused.prepare(["flour"])(1)[0].tolist() == [[2]]
