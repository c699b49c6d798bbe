"""What a system finds for some queries of a list is what it finds for them among all."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest

from engine.search.bm25 import Bm25Index
from engine.search.dense import DenseIndex
from engine.search.filtered import FilteredSystem
from engine.search.fusion import FusedSystem, Part
from engine.search.order import Scores, id_ranks
from engine.search.reranked import RerankedSystem
from engine.search.systems import Bm25System, DenseSystem, System

IDS = [f"p{row:02}" for row in range(30)]
TEXTS = [f"{'fox ' * (row % 5)}hen{row % 7} owl{row % 3}" for row in range(30)]
QUERIES = ["fox", "hen3 owl1", "owl2", "nothing", "fox hen5"]
RANKS = id_ranks(IDS)


def encode(texts: Sequence[str]) -> np.ndarray:
    """Draws a vector for each text."""
    return np.array([np.random.default_rng(len(text)).normal(size=8) for text in texts], np.float32)


class Lengths:
    """Scores a pair by the lengths of its texts."""

    def score(self, queries: Sequence[str], passages: Sequence[str]) -> Scores:
        pairs = zip(queries, passages, strict=True)
        return np.array([len(query) * len(passage) % 11 for query, passage in pairs], np.float32)


def systems() -> list[System]:
    """A system of each kind."""
    vectors = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    encoder = SimpleNamespace(encode_queries=encode)
    words = Bm25System(Bm25Index(IDS, TEXTS))
    dense = DenseSystem("dense", encoder, DenseIndex(IDS, vectors))  # type: ignore[arg-type]
    fused = FusedSystem("fused", [Part(words, 0.5), Part(dense, 0.5)], RANKS)
    parts = [FilteredSystem(f"some {system.name}", system, np.arange(30) % 2 == 0) for system in (words, dense)]
    return [words, dense, fused, *parts, RerankedSystem("reranked", dense, Lengths(), TEXTS, RANKS, 4)]


@pytest.mark.parametrize("system", systems(), ids=lambda system: system.name)
def test_some_queries_find_what_they_find_among_all(system: System) -> None:
    search, whole, some = system.prepare(QUERIES), system.prepare(QUERIES), np.array([1, 4])
    search(2)
    for depth in (2, 9, 5, 30):
        found, expected = search(depth, some), whole(depth)
        assert np.array_equal(found[0], expected[0][some])
        assert np.array_equal(found[1], expected[1][some])
