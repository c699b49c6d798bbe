"""Reciprocal rank fusion against its definition."""

import numpy as np

from engine.search.source_ranks import fused_ranks


def test_fused_ranks_are_those_of_reciprocal_rank_fusion() -> None:
    rng = np.random.default_rng(2)
    depth, rows, queries = 7, 24, 60
    rankings = [np.array([rng.permutation(rows)[:depth] for _ in range(queries)]) for _ in range(2)]
    rankings[1][:20, 3:] = -1  # few words are shared
    rankings[1][20:25] = -1  # none are
    document_of, sources = np.arange(rows) // 3, rng.integers(0, rows // 3, queries)
    ranks = fused_ranks(*rankings, lambda rows: document_of[rows] == sources[:, None])
    for query, rank in enumerate(ranks):
        scores = np.zeros(rows)
        for ranking in rankings:
            for position, row in enumerate(ranking[query], 1):
                if row >= 0:
                    scores[row] += 1 / (60 + position)
        is_source = document_of == sources[query]
        assert rank == 1 + (scores[~is_source] > scores[is_source].max()).sum()


def test_what_both_rankings_have_stands_above_what_one_has_first() -> None:
    first, second = np.array([[0, 1, 2], [0, 1, 2]]), np.array([[3, 1, 4], [3, 1, 4]])
    assert fused_ranks(first, second, lambda rows: rows == np.array([[1], [3]])).tolist() == [1, 2]


def test_a_document_in_neither_ranking_comes_last() -> None:
    first, second = np.array([[0, 1]]), np.array([[1, -1]])
    assert fused_ranks(first, second, lambda rows: rows == 5).tolist() == [3]
