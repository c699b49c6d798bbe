"""A filter comes before the ranking: what is allowed is found, however far behind it stands without the filter."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.search.bm25 import Bm25Index
from engine.search.boosted import BoostedSystem
from engine.search.dense import DenseIndex, numpy_search
from engine.search.filtered import FilteredSystem
from engine.search.fusion import FoundSystem, FusedSystem, Part
from engine.search.order import id_ranks
from engine.search.reranked import RerankedSystem
from engine.search.stored_queries import StoredQueriesSystem
from engine.search.systems import Bm25System, DenseSystem, System
from tests.support.scorers import ByNumber

COUNT = 400
IDS = [f"p{row:03}" for row in range(COUNT)]
RANKS = id_ranks(IDS)
VECTORS = np.random.default_rng(0).normal(size=(COUNT, 8)).astype(np.float32)
QUERY = np.random.default_rng(1).normal(size=(1, 8)).astype(np.float32)
ENCODER: Any = SimpleNamespace(encode_queries=lambda queries: np.repeat(QUERY, len(queries), axis=0))
DENSE = DenseSystem("base", ENCODER, DenseIndex(IDS, VECTORS))
TEXTS = [f"bees {'hive ' * (row % 3)}{'winter' if row % 5 else ''}" for row in range(COUNT)]
WORDS = Bm25System(Bm25Index(IDS, TEXTS))


def far_rows() -> list[int]:
    """Five passages that stand behind the first 300 for the query."""
    return numpy_search(IDS, VECTORS, QUERY, COUNT)[0][0, 300::20].tolist()


def allowed(rows: list[int]) -> Any:
    """Those passages alone are allowed."""
    is_allowed = np.zeros(COUNT, bool)
    is_allowed[rows] = True
    return is_allowed


def find(system: System, rows: list[int], depth: int = 10) -> tuple[list[int], list[float]]:
    """What the filtered system finds."""
    found, scores = FilteredSystem("x", system, allowed(rows)).prepare(["hive in winter"])(depth)
    return found[0].tolist(), scores[0].tolist()


def found_rows(system: System, rows: list[int]) -> list[int]:
    """The passages that the filtered system finds; a made system fills up with -1."""
    return [row for row in find(system, rows)[0] if row >= 0]


def test_an_encoder_ranks_what_is_allowed_as_it_would_alone() -> None:
    rows, scores = find(DENSE, far_rows())
    assert rows == far_rows()
    assert scores == numpy_search(IDS, VECTORS, QUERY, COUNT)[1][0, 300::20].tolist()
    assert find(DENSE, []) == ([], [])


def test_bm25_keeps_the_statistics_of_the_whole_collection() -> None:
    whole = WORDS.index.scores("hive in winter")
    rows, scores = find(WORDS, list(range(100, 120)), depth=20)
    assert set(rows) <= {*range(100, 120), -1}
    kept = [row for row in range(100, 120) if whole[row] > 0]
    assert [row for row in rows if row >= 0] == sorted(kept, key=lambda row: (whole[row], IDS[row]), reverse=True)
    assert scores[0] == whole[rows[0]]
    nothing = next(row for row in range(COUNT) if not whole[row])
    assert find(WORDS, [nothing])[0] == [nothing], "a query has a result where there is one to have"


def test_systems_that_are_made_of_others_are_filtered_where_they_search() -> None:
    rows = far_rows()
    fused = FusedSystem("both", [Part(DENSE, 0.9), Part(WORDS, 0.1)], RANKS)
    found = [row for row in fused.prepare(["hive in winter"])(COUNT)[0][0].tolist() if row in rows]
    assert len(found) < len(rows), "behind the ranking a filter would lose some of them"
    assert sorted(found_rows(fused, rows)) == sorted(rows)
    texts = [str(row) for row in range(COUNT)]
    reranked = RerankedSystem("again", fused, ByNumber(), texts, RANKS, depth=3)
    assert sorted(found_rows(reranked, rows)) == sorted(rows)
    boosted = BoostedSystem("new", reranked, np.ones(COUNT), RANKS)
    assert sorted(found_rows(boosted, rows)) == sorted(rows)
    twice = FilteredSystem("y", DENSE, allowed(rows[:3]))
    assert find(twice, rows[1:])[0] == rows[1:3]


def test_stored_queries_lead_to_allowed_passages_only() -> None:
    stored = ["hive", "winter hive", "bees"]
    queries = Bm25System(Bm25Index(list("abc"), stored))
    system = StoredQueriesSystem("queries", queries, stored, np.array([7, 8, 7]), RANKS)
    assert found_rows(system, [7]) == [7]
    assert found_rows(system, [300]) == []


def test_what_cannot_be_searched_in_part_is_not_searched() -> None:
    with pytest.raises(TypeError, match="a FoundSystem cannot be filtered"):
        find(FoundSystem("x", (np.zeros((1, 1), np.int64), np.zeros((1, 1), np.float32))), [1])
