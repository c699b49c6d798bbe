"""Approximate indexes of faiss: what they find is in the right order with the right scores, and little is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import UserError
from engine.search.approximate import ApproximateIndex
from engine.search.dense import DenseIndex
from engine.search.index_settings import Flat, Hnsw, IndexKind, IndexSettings, IvfPq, fitting_settings

ROWS, DIM = 2000, 32
SMALL_HNSW = Hnsw(m=16, ef_construction=64, ef_search=64)
SMALL_IVF_PQ = IvfPq(nlist=16, nprobe=6, m=8, nbits=5)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Unit vectors around 20 topics, every tenth of them twice."""
    rng = np.random.default_rng(5)
    topics = rng.standard_normal((20, DIM))
    made = topics[rng.integers(0, 20, ROWS)] + 0.7 * rng.standard_normal((ROWS, DIM))
    made[1::10] = made[::10]
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


@pytest.fixture(scope="module")
def ids() -> list[str]:
    return [f"d{number}" for number in np.random.default_rng(6).permutation(ROWS)]


@pytest.mark.parametrize(("settings", "least"), [(Flat(), 1.0), (SMALL_HNSW, 0.97), (SMALL_IVF_PQ, 0.9)])
def test_little_is_missing_and_the_rest_is_as_in_exact_search(
    settings: IndexSettings, least: float, vectors: np.ndarray, ids: list[str]
) -> None:
    index, exact = ApproximateIndex.build(ids, vectors, settings), DenseIndex(ids, vectors)
    assert index.settings == settings
    queries = vectors[::20]
    expected, expected_scores = exact.search(queries, 10)
    rows, scores = index.search(queries, 10)
    assert rows.shape == scores.shape == (100, 10)
    assert np.mean([len({*near} & {*true}) / 10 for near, true in zip(rows, expected, strict=True)]) >= least
    score_of = [dict(zip(*pair, strict=True)) for pair in zip(*exact.search(queries, ROWS), strict=True)]
    for query in range(len(queries)):
        found = list(zip(rows[query], scores[query], strict=True))
        assert [score_of[query][row] for row in rows[query]] == scores[query].tolist()
        assert found == sorted(found, key=lambda pair: (pair[1], ids[pair[0]]), reverse=True)
    if isinstance(settings, Flat):
        np.testing.assert_array_equal(rows, expected)
        np.testing.assert_array_equal(scores, expected_scores)


@pytest.mark.parametrize("settings", [Flat(), SMALL_HNSW, SMALL_IVF_PQ])
def test_a_saved_index_is_the_same_when_it_is_loaded(
    settings: IndexSettings, vectors: np.ndarray, ids: list[str], tmp_path: Path
) -> None:
    index = ApproximateIndex.build(ids, vectors, settings, seed=3)
    index.save(tmp_path / "index.faiss")
    assert [file.name for file in tmp_path.iterdir()] == ["index.faiss"]
    assert (tmp_path / "index.faiss").stat().st_size == index.num_bytes()
    loaded = ApproximateIndex.load(tmp_path / "index.faiss", ids, vectors)
    assert loaded.settings == settings
    for one, other in zip(loaded.search(vectors[:50], 20), index.search(vectors[:50], 20), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(UserError, match="holds 2,000 vectors of 32 dimensions, not 1,999 of 32"):
        ApproximateIndex.load(tmp_path / "index.faiss", ids[:-1], vectors[:-1])


@pytest.mark.parametrize("settings", [SMALL_HNSW, SMALL_IVF_PQ])
def test_the_same_seed_makes_the_same_index(
    settings: IndexSettings, vectors: np.ndarray, ids: list[str], tmp_path: Path
) -> None:
    for number, seed in enumerate((7, 7, 8)):
        ApproximateIndex.build(ids, vectors, settings, seed=seed).save(tmp_path / str(number))
    first, again, other = ((tmp_path / str(number)).read_bytes() for number in range(3))
    assert first == again
    assert (first == other) == isinstance(settings, Hnsw), "a graph draws nothing that a seed sets"


def test_codes_are_much_smaller_than_vectors(vectors: np.ndarray, ids: list[str]) -> None:
    settings = fitting_settings(IndexKind.ivf_pq, ROWS, DIM)
    assert ApproximateIndex.build(ids, vectors, settings).num_bytes() < 0.5 * vectors.nbytes
    assert ApproximateIndex.build(ids, vectors, SMALL_HNSW).num_bytes() > vectors.nbytes


def test_where_fewer_are_found_no_row_fills_up(vectors: np.ndarray, ids: list[str]) -> None:
    index = ApproximateIndex.build(ids, vectors, IvfPq(nlist=40, nprobe=1, m=8, nbits=4))
    rows, scores = index.search(vectors[:5], 500)
    assert rows.shape == (5, 500)
    assert (rows[:, -1] == -1).all()
    assert not scores[rows < 0].any()
    assert (rows[:, 0] >= 0).all()


def test_vectors_may_lie_in_a_file(vectors: np.ndarray, ids: list[str], tmp_path: Path) -> None:
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    read, held = (ApproximateIndex.build(ids, some, SMALL_IVF_PQ, seed=1) for some in (mapped, vectors))
    np.testing.assert_array_equal(read.search(vectors[:20], 10)[0], held.search(vectors[:20], 10)[0])


def test_nothing_to_search(vectors: np.ndarray) -> None:
    index = ApproximateIndex.build(["a"], vectors[:1], Hnsw())
    assert index.search(vectors[:0], 5)[0].shape == (0, 1)
    assert index.search(vectors[:2], 5)[0].tolist() == [[0], [0]]


def test_ranks_are_exact(vectors: np.ndarray, ids: list[str]) -> None:
    index, targets = ApproximateIndex.build(ids, vectors, SMALL_IVF_PQ), np.arange(0, ROWS, 200)
    expected = DenseIndex(ids, vectors).rank_of(vectors[targets], targets)
    assert index.rank_of(vectors[targets], targets).tolist() == expected.tolist()
