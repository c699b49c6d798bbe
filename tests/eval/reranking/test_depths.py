"""A curve has the figures that each depth reaches by itself, costs no more pairs than its end, and knows the times."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from engine.search.bm25 import Bm25Index
from engine.search.reranked import RememberingScorer, RerankedSystem
from engine.search.systems import Bm25System
from engine.storage.typed import from_json_values, to_json_values
from eval.reranking.depths import depth_curve, depths_of, with_latencies
from eval.reranking.figures import RerankCurve
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus
from eval.retrieval.latency import Latency, Percentiles
from eval.retrieval.remembered import SearchedOnce
from eval.significance import Bootstrap
from eval.systems import reranked_name, scoring_once
from tests.support.bars import Bars
from tests.support.scorers import ByNumber

TEXTS = [str(number) for number in range(8)]
IDS = [f"p{number}" for number in range(8)]
CORPUS = Corpus(IDS, IDS, [""] * 8, TEXTS)
WORDS = Bm25System(Bm25Index(IDS, [f"word {'more ' * number}" for number in range(8)]), name="first")
BENCHMARK = Benchmark("q", {"a": "word", "b": "word  "}, {"a": {"p6": 1}, "b": {"p0": 1}})
"""Words find p0 first; the scorer likes the largest even number best."""


def curve_and_scorer() -> tuple[RerankCurve, RerankedSystem, ByNumber]:
    scorer = ByNumber()
    name = reranked_name("first", 8, "r")
    system = RerankedSystem(name, SearchedOnce(WORDS), RememberingScorer(scorer), TEXTS, CORPUS.ranks_of_ids, 8)
    bars = Bars()
    with scoring_once([system]):
        curve = depth_curve(system, BENCHMARK, CORPUS, ["a", "b"], Bootstrap(100), console=bars)
    assert bars.ended == [("report", "depths of the reranker", 3, 3)]
    return curve, system, scorer


def test_the_depths_of_a_curve() -> None:
    assert depths_of(100) == [0, 5, 10, 20, 30, 50, 100]
    assert depths_of(40) == [0, 5, 10, 20, 30, 40]
    assert depths_of(3) == [0, 3]


def test_quality_at_each_depth_is_that_of_a_system_of_that_depth() -> None:
    curve, _, scorer = curve_and_scorer()
    assert [point.depth for point in curve.points] == [0, 5, 8]
    assert len(scorer.asked) == 16, "the pairs of the largest depth, and no others"
    first, middle, last = (point.ndcg for point in curve.points)
    ranks = {0: (7, 1), 5: (7, 5), 8: (1, 8)}  # of p6 and of p0; equal scores go by id, the larger first
    for depth, ndcg in zip((0, 5, 8), (first, middle, last), strict=True):
        expected = [1 / math.log2(rank + 1) for rank in ranks[depth]]
        assert ndcg == pytest.approx(sum(expected) / 2), depth
    assert curve.points[0].to_first is None
    assert curve.points[2].to_first is not None
    assert curve.points[2].to_first.difference.mean == pytest.approx(last - first)
    assert (curve.cluster, curve.clusters, curve.queries) == ("query", 2, 2)
    assert from_json_values(RerankCurve, json.loads(json.dumps(to_json_values(curve)))) == replace(
        curve, points=list(curve.points)
    )


def test_times_that_are_known_are_not_measured_again() -> None:
    curve, system, scorer = curve_and_scorer()
    asked = len(scorer.asked)
    known = {"first@8@r": Latency(search=Percentiles(7.0, 9.0)), "first@5@r": Latency(search=Percentiles(4.0, 5.0))}
    timed = with_latencies(curve, system, ["word"], 2, known)
    assert [point.latency_ms for point in timed.points][1:] == [4.0, 7.0]
    assert timed.points[0].latency_ms is not None
    assert len(scorer.asked) == asked, "only the first stage was timed"
    with_latencies(curve, system, ["word"], 2, {})
    assert len(scorer.asked) == asked + 5 * (5 + 8), "three to warm up and two that count, every pair of each depth"
    assert with_latencies(curve, system, ["word"], 0, {}) == curve
