"""Vectors in a map that is larger than it may be in memory: the same figures, and no more memory than was allowed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.search import order
from engine.search.shards import Shards, squared_lengths


def made(rows: int, dim: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)


def mapped(folder: Path, vectors: np.ndarray, mode: str = "r") -> np.ndarray:
    """The same vectors in a memory map."""
    np.save(folder / "vectors.npy", vectors)
    return np.asanyarray(np.load(folder / "vectors.npy", mmap_mode=mode))  # type: ignore[call-overload]


def resident_bytes(name: str) -> int:
    """What of a mapped file is in this process's memory."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    starts = [number for number, line in enumerate(lines) if line.endswith(name)]
    sizes = [next(line for line in lines[start:] if line.startswith("Rss:")) for start in starts]
    assert sizes, f"{name} is not mapped"
    return sum(int(line.split()[1]) * 1024 for line in sizes)


def test_shards_are_all_rows_in_order(tmp_path: Path) -> None:
    vectors = made(100, 8)
    for shards in (Shards(vectors), Shards(mapped(tmp_path, vectors), 1024)):
        for most_rows in (None, 1, 7, 1000):
            rows = [row for part in shards.parts(most_rows) for row in range(*part.indices(100))]
            assert rows == list(range(100))
    assert [part.stop for part in Shards(vectors).parts()] == [100]
    assert [part.stop for part in Shards(mapped(tmp_path, vectors), 1024).parts()][:2] == [8, 16], "a quarter of 1,024"
    assert list(Shards(made(0, 8)).parts()) == []


def test_what_was_read_of_a_large_map_does_not_stay_in_memory(tmp_path: Path) -> None:
    vectors = mapped(tmp_path, made(16_384, 256))  # 16 MiB
    shards, seen = Shards(vectors, 4 << 20), []
    for part in shards.parts():
        vectors[part].sum()
        seen.append(resident_bytes("vectors.npy"))
    assert len(seen) == 16
    assert max(seen) <= 4 << 20
    for part in Shards(vectors, 32 << 20).parts(1000):
        vectors[part].sum()
    assert resident_bytes("vectors.npy") > 15 << 20, "one that may stay is not read again and again"


def test_what_may_be_written_to_is_never_let_go_of(tmp_path: Path) -> None:
    vectors = mapped(tmp_path, made(4096, 64), "c")
    vectors[:] = 1.0
    for part in Shards(vectors, 1024).parts():
        vectors[part].sum()
    assert (vectors == 1.0).all()


def test_a_score_is_that_of_its_pair_wherever_that_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, queries = made(200, 33), made(9, 33, seed=1)
    rows = np.random.default_rng(2).integers(-1, 200, (9, 40))
    scores = Shards(vectors).exact_scores(queries, rows)
    for query, row in np.ndindex(rows.shape):
        expected = np.float32(queries[query].astype(np.float64) @ vectors[rows[query, row]].astype(np.float64))
        assert scores[query, row] == (expected if rows[query, row] >= 0 else -np.inf)
    np.testing.assert_array_equal(Shards(mapped(tmp_path, vectors), 512).exact_scores(queries, rows), scores)
    alone = [Shards(vectors).exact_scores(queries[query : query + 1], rows[query : query + 1]) for query in range(9)]
    np.testing.assert_array_equal(np.vstack(alone), scores)
    monkeypatch.setattr(order, "_BLOCK_NUMBERS", 500)
    np.testing.assert_array_equal(Shards(vectors).exact_scores(queries, rows), scores)


def test_rows_are_taken_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, rows = made(90, 5), np.array([0, 3, 44, 89])
    monkeypatch.setattr(order, "_BLOCK_NUMBERS", 10)
    np.testing.assert_array_equal(Shards(mapped(tmp_path, vectors), 64).take(rows), vectors[rows])


def test_the_longest_vector(tmp_path: Path) -> None:
    vectors = made(90, 5)
    longest = Shards(mapped(tmp_path, vectors), 64).longest()
    assert longest == pytest.approx(float(np.linalg.norm(vectors.astype(np.float64), axis=1).max()))
    assert squared_lengths(vectors).max() == pytest.approx(longest**2)
    assert Shards(made(0, 5)).longest() == 0.0
    vectors[17, 2] = np.nan
    assert not np.isfinite(Shards(vectors).longest())
