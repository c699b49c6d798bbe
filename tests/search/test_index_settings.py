"""The settings of indexes follow from the number of vectors, by faiss's guidelines."""

from __future__ import annotations

import pytest

from engine.search.index_settings import KINDS, Flat, Hnsw, IndexKind, IvfPq, fitting_settings, too_few


def test_the_names_are_those_of_a_config() -> None:
    assert KINDS == ("flat", "hnsw", "ivf_pq")


@pytest.mark.parametrize(
    ("rows", "dim", "expected"),
    [
        (1_000_000, 384, IvfPq(nlist=4000, nprobe=250, m=96, nbits=8)),
        (50_000, 768, IvfPq(nlist=894, nprobe=55, m=192, nbits=8)),
        (3_204, 384, IvfPq(nlist=82, nprobe=16, m=96, nbits=6)),
        (624, 100, IvfPq(nlist=16, nprobe=16, m=25, nbits=4)),
        (10_000, 7, IvfPq(nlist=256, nprobe=16, m=1, nbits=8)),
        (10_000, 2, IvfPq(nlist=256, nprobe=16, m=1, nbits=8)),
    ],
)
def test_lists_and_codes_fit_the_number_of_vectors(rows: int, dim: int, expected: IvfPq) -> None:
    settings = fitting_settings(IndexKind.ivf_pq, rows, dim)
    assert settings == expected
    assert dim % expected.m == 0
    assert 39 * expected.nlist <= rows
    assert 39 * 2**expected.nbits <= rows


def test_the_sample_is_enough_for_lists_and_for_codes() -> None:
    assert IvfPq(nlist=4000, nprobe=250, m=96).sample == 256_000
    assert IvfPq(nlist=82, nprobe=16, m=96, nbits=6).sample == 16_384


def test_too_few_vectors_to_train_on_is_said() -> None:
    assert "needs 624 passages" in too_few(IndexKind.ivf_pq, 623)
    assert not too_few(IndexKind.ivf_pq, 624)
    assert not too_few(IndexKind.hnsw, 1)
    with pytest.raises(AssertionError, match="there are 10"):
        fitting_settings(IndexKind.ivf_pq, 10, 384)
    assert fitting_settings(IndexKind.flat, 1, 384) == Flat()
    assert fitting_settings(IndexKind.hnsw, 1, 384) == Hnsw()
