"""Fusions order passages by the weighted sum of what they count in each ranking, and are systems like any other."""

from __future__ import annotations

import numpy as np
import pytest

from engine.search.bm25 import Bm25Index
from engine.search.fusion import FoundSystem, FusedSystem, Gains, Part, fuse, reciprocal, standardised
from engine.search.order import Ranking, id_ranks
from engine.search.systems import Bm25System
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus
from eval.retrieval.ranking import rank_documents

IDS = [f"p{row:02}" for row in range(40)]
RANKS = id_ranks(IDS)


def random_ranking(seed: int, queries: int = 5, depth: int = 12, found: int = 9) -> Ranking:
    """Rankings of other passages for every query, filled up with -1 behind the ninth."""
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.permutation(len(IDS))[:depth] for _ in range(queries)])
    scores = -np.sort(-rng.random((queries, depth)).astype(np.float32), axis=1)
    rows[:, found:], scores[:, found:] = -1, 0
    return rows, scores


def plain_fusion(rankings: list[Ranking], weights: list[float], gains: Gains, query: int) -> list[int]:
    """The rows of one query by a dictionary of sums."""
    sums: dict[int, float] = {}
    for weight, (rows, scores) in zip(weights, rankings, strict=True):
        counted = gains((rows, scores))[query]
        for row, gain in zip(rows[query].tolist(), counted.tolist(), strict=True):
            if row >= 0:
                sums[row] = sums.get(row, 0.0) + weight * gain
    return sorted(sums, key=lambda row: (np.float32(sums[row]), IDS[row]), reverse=True)


@pytest.mark.parametrize("gains", [standardised, reciprocal])
def test_a_fusion_is_what_a_dictionary_of_sums_gives(gains: Gains) -> None:
    rankings, weights = [random_ranking(seed) for seed in range(3)], [0.5, 0.3, 0.2]
    rows, sums = fuse(rankings, weights, gains, id_ranks(IDS))
    for query in range(len(rows)):
        expected = plain_fusion(rankings, weights, gains, query)
        assert rows[query].tolist() == expected + [-1] * (rows.shape[1] - len(expected))
        assert (np.diff(sums[query, : len(expected)]) <= 0).all()


def test_standardised_scores_of_a_full_ranking_count_from_the_last_one_in_standard_deviations() -> None:
    rows, scores = np.array([[4, 2, 7]]), np.array([[5.0, 3.0, 1.0]], np.float32)
    expected = np.array([4.0, 2.0, 0.0]) / np.std([5.0, 3.0, 1.0])
    assert standardised((rows, scores))[0] == pytest.approx(expected)
    assert standardised((rows, 10 * scores + 3))[0] == pytest.approx(expected), "any scale is the same"
    equal = standardised((rows[:, :2], np.ones((1, 2), np.float32)))
    assert equal.tolist() == [[0.0, 0.0]], "equal scores tell nothing"


def test_every_hit_of_a_ranking_that_ends_early_counts_more_than_none() -> None:
    rows, scores = np.array([[4, 2, -1, -1]]), np.array([[5.0, 3.0, 0.0, 0.0]], np.float32)
    expected = np.array([5.0, 3.0]) / np.std([5.0, 3.0, 0.0])
    assert standardised((rows, scores))[0] == pytest.approx([*expected, 0, 0]), "what it lacks scores 0, as one place"
    assert standardised((rows, 10 * scores))[0] == pytest.approx([*expected, 0, 0])
    only = standardised((np.array([[4, -1]]), np.array([[7.0, 0.0]], np.float32)))
    assert only.tolist() == [[2.0, 0.0]]
    chance = standardised((np.array([[4, -1]]), np.zeros((1, 2), np.float32)))
    assert chance.tolist() == [[0.0, 0.0]], "a passage that shares no word is no hit"
    below = standardised((rows, np.array([[-1.0, -3.0, 0.0, 0.0]], np.float32)))[0]
    assert below[0] > below[1] == 0.0, "scores below zero count from the last one"


@pytest.mark.filterwarnings("error")
def test_a_query_that_finds_nothing_counts_nothing_and_warns_of_nothing() -> None:
    rows, scores = np.array([[-1, -1], [3, 1]]), np.array([[0.0, 0.0], [4.0, 2.0]], np.float32)
    assert standardised((rows, scores)).tolist() == [[0.0, 0.0], [2.0, 0.0]]
    assert standardised((rows[:, :0], scores[:, :0])).shape == (2, 0)
    texts = FoundSystem("words", (rows, scores)), FoundSystem("meaning", (rows[:, ::-1], scores))
    found, _ = FusedSystem("fused", [Part(system, 0.5) for system in texts], id_ranks(IDS)).prepare(["", "x"])(2)
    assert found.tolist() == [[-1, -1], [3, 1]]


def test_a_fusion_of_one_part_is_that_part_and_weight_zero_leaves_a_part_out() -> None:
    first, second = (FoundSystem(str(seed), random_ranking(seed)) for seed in range(2))
    fused = FusedSystem("fused", [Part(first, 1.0), Part(second, 0.0)], id_ranks(IDS))
    rows, scores = fused.prepare([""] * 5)(7)
    assert rows.tolist() == first.ranking[0][:, :7].tolist()
    assert scores.tolist() == first.ranking[1][:, :7].tolist()


def test_documents_are_ranked_by_a_fusion_of_fusions() -> None:
    corpus = Corpus(["1", "2", "3"], ["a", "b", "c"], ["", "", ""], ["red fox", "red hen", "blue hen"])
    words = Bm25System(Bm25Index(corpus.passage_ids, corpus.texts))
    other = FoundSystem("other", (np.array([[2, 1]]), np.array([[0.9, 0.1]], np.float32)))
    both = FusedSystem("both", [Part(words, 0.3), Part(other, 0.7)], corpus.ranks_of_ids)
    again = FusedSystem("again", [Part(both, 0.5), Part(other, 0.5)], corpus.ranks_of_ids)
    benchmark = Benchmark("x", {"q": "fox"}, {"q": {"c": 1}})
    assert list(rank_documents(both, benchmark, corpus, 100)["q"]) == ["c", "a", "b"], (
        "an only hit by words counts more than none"
    )
    assert next(iter(rank_documents(again, benchmark, corpus, 100)["q"])) == "c"


@pytest.mark.parametrize("gains", [standardised, reciprocal])
def test_what_a_query_scores_does_not_depend_on_the_queries_beside_it(gains: Gains) -> None:
    texts = ["red fox", "red hen", "blue hen", "blue jay", "grey owl"]
    words = Bm25System(Bm25Index(IDS[:5], texts))
    part = FusedSystem("part", [Part(words, 0.4), Part(Bm25System(Bm25Index(IDS[:5], texts[::-1])), 0.6)], RANKS[:5])
    whole = FusedSystem("whole", [Part(part, 0.5), Part(words, 0.5)], RANKS[:5], gains)
    alone, beside = (whole.prepare(queries)(5) for queries in (["fox"], ["fox", "red blue grey"]))
    assert alone[0][0].tolist() == beside[0][0].tolist()
    assert alone[1][0].tolist() == beside[1][0].tolist()


def test_a_passage_without_a_word_of_the_query_has_no_rank_by_words() -> None:
    words = Bm25System(Bm25Index(IDS[:3], ["red fox", "red hen", "blue hen"]))
    other = FoundSystem("other", (np.array([[0, 1, 2]]), np.array([[0.9, 0.5, 0.1]], np.float32)))
    fused = FusedSystem("fused", [Part(words, 1.0), Part(other, 1.0)], RANKS[:3], reciprocal)
    assert words.prepare(["zebra"])(3)[0].tolist() == [[2, -1, -1]], "a result, so that the query has one"
    assert fused.prepare(["zebra"])(3)[0].tolist() == [[0, 1, 2]]
