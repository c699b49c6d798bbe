"""Dense search against brute force: the same rows, scores and order, ties and odd sizes included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.search import order
from engine.search.dense import DenseIndex, numpy_search, write_flat_index


def unit(rng: np.random.Generator, rows: int, dim: int) -> np.ndarray:
    """Random vectors of length 1, float32 (rows, dim)."""
    vectors = rng.standard_normal((rows, dim)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def shuffled_ids(rng: np.random.Generator, rows: int) -> list[str]:
    """As many ids, in an order that is not that of the rows."""
    return [f"d{number}" for number in rng.permutation(rows)]


def assert_same(results: tuple[np.ndarray, np.ndarray], expected: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_array_equal(results[0], expected[0])
    np.testing.assert_array_equal(results[1], expected[1])
    assert results[0].dtype == np.int64
    assert results[1].dtype == np.float32


@pytest.mark.parametrize("seed", range(12))
def test_dense_search_equals_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, dim, k = int(rng.integers(1, 700)), int(rng.integers(1, 96)), int(rng.integers(1, 150))
    vectors = unit(rng, rows, dim)[rng.integers(0, rows, rows)]  # about a third of the rows occur more than once
    ids, queries = shuffled_ids(rng, rows), unit(rng, 30, dim)
    expected = numpy_search(ids, vectors, queries, k)
    assert expected[0].shape == (30, min(k, rows))
    assert_same(DenseIndex(ids, vectors).search(queries, k), expected)


@pytest.mark.parametrize("seed", range(4))
def test_brute_force_is_its_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, queries = rng.integers(-2, 3, (40, 3)).astype(np.float32), rng.integers(-2, 3, (5, 3)).astype(np.float32)
    ids = shuffled_ids(rng, 40)
    rows, scores = numpy_search(ids, vectors, queries, 40)
    for query, query_rows, query_scores in zip(queries, rows, scores, strict=True):
        products = [float(query @ vector) for vector in vectors]
        by_id = sorted(range(40), key=lambda row: ids[row], reverse=True)
        assert query_rows.tolist() == sorted(by_id, key=lambda row: -products[row])
        assert query_scores.tolist() == [products[row] for row in query_rows]


def test_many_equal_vectors_are_ordered_by_id_descending() -> None:
    ids = ["b", "d10", "a", "é", "d9", *(f"x{number:03d}" for number in range(100))]
    vectors = np.tile(np.array([[0.6, 0.8]], dtype=np.float32), (len(ids), 1))
    rows, _ = DenseIndex(ids, vectors).search(np.array([[1.0, 0.0]], dtype=np.float32), 5)
    assert [ids[row] for row in rows[0]] == ["é", "x099", "x098", "x097", "x096"]


def test_order_does_not_depend_on_the_batch() -> None:
    rng = np.random.default_rng(0)
    vectors = np.repeat(unit(rng, 60, 384), 5, axis=0)
    index, queries = DenseIndex(shuffled_ids(rng, 300), vectors), unit(rng, 50, 384)
    together = index.search(queries, 23)
    alone = [index.search(query[None], 23) for query in queries]
    assert_same(together, (np.vstack([rows for rows, _ in alone]), np.vstack([scores for _, scores in alone])))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    ids, vectors, queries = shuffled_ids(rng, 90), unit(rng, 90, 8), unit(rng, 17, 8)
    targets = rng.integers(0, 90, 17)
    expected, ranks = numpy_search(ids, vectors, queries, 7), DenseIndex(ids, vectors).rank_of(queries, targets)
    monkeypatch.setattr(order, "_BLOCK_NUMBERS", 200)
    assert_same(numpy_search(ids, vectors, queries, 7), expected)
    assert_same(DenseIndex(ids, vectors).search(queries, 7), expected)
    np.testing.assert_array_equal(DenseIndex(ids, vectors).rank_of(queries, targets), ranks)


@pytest.mark.parametrize("seed", range(6))
def test_rank_of_is_the_position_in_the_full_ranking(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = unit(rng, 120, 16)[rng.integers(0, 120, 120)]
    ids, queries, targets = shuffled_ids(rng, 120), unit(rng, 40, 16), rng.integers(0, 120, 40)
    full, _ = numpy_search(ids, vectors, queries, 120)
    expected = [rows.tolist().index(target) + 1 for rows, target in zip(full, targets, strict=True)]
    assert DenseIndex(ids, vectors).rank_of(queries, targets).tolist() == expected


def test_vectors_that_are_not_normalised() -> None:
    rng = np.random.default_rng(3)
    vectors = (unit(rng, 500, 32) * rng.uniform(0.01, 100, (500, 1))).astype(np.float32)
    ids, queries = shuffled_ids(rng, 500), (unit(rng, 25, 32) * 1000).astype(np.float32)
    assert_same(DenseIndex(ids, vectors).search(queries, 10), numpy_search(ids, vectors, queries, 10))


def test_nothing_to_search() -> None:
    empty, single = np.zeros((0, 4), np.float32), np.ones((1, 4), np.float32)
    assert DenseIndex([], empty).search(single, 5)[0].shape == (1, 0)
    assert DenseIndex(["a"], single).search(empty, 5)[0].shape == (0, 1)
    assert DenseIndex(["a"], single).rank_of(empty, []).shape == (0,)


def test_repeated_ids_and_infinite_vectors_are_defects() -> None:
    with pytest.raises(AssertionError, match="'a' occurs more than once"):
        DenseIndex(["a", "a"], np.ones((2, 3), np.float32))
    with pytest.raises(AssertionError, match="not finite"):
        DenseIndex(["a"], np.full((1, 3), np.nan, np.float32))


@pytest.mark.parametrize("seed", range(6))
def test_shards_of_a_file_give_what_memory_gives(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    rows, dim, k = int(rng.integers(50, 700)), int(rng.integers(1, 96)), int(rng.integers(1, 150))
    vectors = unit(rng, rows, dim)[rng.integers(0, rows, rows)]
    ids, queries, targets = shuffled_ids(rng, rows), unit(rng, 30, dim), rng.integers(0, rows, 30)
    np.save(tmp_path / "vectors.npy", vectors)
    held = DenseIndex(ids, vectors)
    read = DenseIndex(ids, np.load(tmp_path / "vectors.npy", mmap_mode="r"), most_bytes=4 * 4 * dim * 40)
    assert_same(read.search(queries, k), held.search(queries, k))
    assert_same(read.search(queries, k), numpy_search(ids, vectors, queries, k))
    for query in queries[:5]:  # few queries go another way
        assert_same(read.search(query[None], k), numpy_search(ids, vectors, query[None], k))
    np.testing.assert_array_equal(read.rank_of(queries, targets), held.rank_of(queries, targets))


def test_ranking_is_what_trec_eval_makes_of_it() -> None:
    """trec_eval orders a TREC run itself, by score and id: its figures must be those of the order given here."""
    import pytrec_eval

    rng = np.random.default_rng(8)
    ids, vectors = shuffled_ids(rng, 50), np.repeat(unit(rng, 5, 4), 10, axis=0)
    queries = unit(rng, 20, 4)
    rows, scores = DenseIndex(ids, vectors).search(queries, 30)
    relevant = {f"q{number}": {ids[row]: 1} for number, row in enumerate(rng.integers(0, 50, 20))}
    run = {
        f"q{number}": {ids[row]: float(score) for row, score in zip(query_rows, query_scores, strict=True)}
        for number, (query_rows, query_scores) in enumerate(zip(rows, scores, strict=True))
    }
    measured = pytrec_eval.RelevanceEvaluator(relevant, {"recip_rank"}).evaluate(run)
    for number, query_rows in enumerate(rows):
        ranking = [ids[row] for row in query_rows]
        (target,) = relevant[f"q{number}"]
        expected = 1 / (ranking.index(target) + 1) if target in ranking else 0.0
        assert measured[f"q{number}"]["recip_rank"] == pytest.approx(expected)


def test_a_flat_index_that_is_written_holds_the_vectors_of_rows_in_their_order(tmp_path: Path) -> None:
    import faiss

    vectors = np.random.default_rng(3).normal(size=(50, 8)).astype(np.float32)
    rows = np.random.default_rng(4).permutation(50)
    write_flat_index(vectors, rows, tmp_path / "faiss.index")
    index = faiss.read_index(str(tmp_path / "faiss.index"))
    assert (index.ntotal, index.d, index.metric_type) == (50, 8, faiss.METRIC_INNER_PRODUCT)
    assert np.array_equal(index.reconstruct_n(0, 50), vectors[rows])
