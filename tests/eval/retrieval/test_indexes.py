"""Indexes are compared with exact search on the queries of the report: recall, time, size."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest

from engine.search.dense import DenseIndex
from engine.search.index_settings import IndexKind
from engine.search.systems import DenseSystem
from eval.retrieval.indexes import EXACT, compare_indexes, recall


def made_system(rows: int, dim: int = 16) -> DenseSystem:
    """A bi-encoder whose vector of a text is drawn by its length, over made vectors around ten topics."""
    rng = np.random.default_rng(0)
    topics = rng.standard_normal((10, dim))

    def unit(vectors: np.ndarray) -> np.ndarray:
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    def encode(texts: Sequence[str]) -> np.ndarray:
        drawn = np.array([np.random.default_rng(len(text)).standard_normal(dim) for text in texts])
        return unit(topics[[len(text) % 10 for text in texts]] + 0.5 * drawn)

    passages = unit(topics[rng.integers(0, 10, rows)] + 0.5 * rng.standard_normal((rows, dim)))
    index = DenseIndex([f"p{row}" for row in range(rows)], passages)
    return DenseSystem("tuned", SimpleNamespace(encode_queries=encode), index)  # type: ignore[arg-type]


def test_recall_counts_what_was_found_of_the_exact_ones() -> None:
    rows = np.arange(200)[None].repeat(2, axis=0)
    scores = np.linspace(1, -1, 200, dtype=np.float32)[None].repeat(2, axis=0)
    exact = rows[:, :100], scores[:, :100]
    found = rows[:, 5:105].copy(), scores[:, 5:105].copy()
    found[0][1, :3], found[1][1, :3] = -1, 0.0
    assert recall(exact, found) == pytest.approx({"10": (0.5 + 0.2) / 2, "100": (0.95 + 0.92) / 2})
    few = rows[:, :3], scores[:, :3]
    assert recall(few, few) == {"10": 1.0, "100": 1.0}


def test_another_copy_of_a_text_is_found_as_well() -> None:
    """One text stands in 200 of 3,000 passages, and the ids of the first of them are nothing that an index knows."""
    rng = np.random.default_rng(0)
    system = made_system(3000)
    copies = rng.permutation(3000)[:200]
    vectors = system.index.vectors.copy()
    vectors[copies] = vectors[copies[0]]

    def encode(texts: Sequence[str]) -> np.ndarray:
        near = vectors[copies[0]] + 0.05 * rng.standard_normal((len(texts), 16))
        return np.asarray(near / np.linalg.norm(near, axis=1, keepdims=True), np.float32)

    encoder = SimpleNamespace(encode_queries=encode)
    repeated = DenseSystem("tuned", encoder, DenseIndex(system.index.ids, vectors))  # type: ignore[arg-type]
    figures = compare_indexes([IndexKind.flat], repeated, ["one", "two", "three"], 0, seed=0).indexes
    assert figures["flat"].recall == figures[EXACT].recall == {"10": 1.0, "100": 1.0}


def test_indexes_stand_beside_exact_search() -> None:
    queries = ["q" * length for length in range(1, 60)]
    comparison = compare_indexes([IndexKind.hnsw, IndexKind.ivf_pq], made_system(3000), [*queries, "q"], 5, seed=0)
    assert (comparison.model, comparison.passages, comparison.dim, comparison.queries) == ("tuned", 3000, 16, 59)
    exact, hnsw, ivf_pq = (comparison.indexes[name] for name in (EXACT, "hnsw", "ivf_pq"))
    assert exact.recall == {"10": 1.0, "100": 1.0}
    assert exact.bytes == 3000 * 16 * 4 < hnsw.bytes
    assert ivf_pq.bytes < exact.bytes
    assert hnsw.recall["10"] >= hnsw.recall["100"] - 0.01 > 0.9
    assert 0.5 < ivf_pq.recall["100"] <= 1
    for figures in (exact, hnsw, ivf_pq):
        assert figures.search is not None
        assert figures.search.p95_ms >= figures.search.p50_ms > 0
    assert hnsw.settings == {"m": 32, "ef_construction": 200, "ef_search": 128}
    assert ivf_pq.settings == {"nlist": 76, "nprobe": 16, "m": 4, "nbits": 6, "sample": 3000}
    assert hnsw.build_seconds > 0


def test_what_cannot_be_trained_is_left_out_with_the_reason() -> None:
    comparison = compare_indexes([IndexKind.ivf_pq, IndexKind.flat], made_system(50), ["one", "a query"], 0, seed=0)
    assert "there are 50" in comparison.indexes["ivf_pq"].left_out
    assert comparison.indexes["ivf_pq"].recall == {}
    assert comparison.indexes["flat"].recall == {"10": 1.0, "100": 1.0}
    assert comparison.indexes["flat"].search is None
