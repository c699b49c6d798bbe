"""Systems are measured beside what they are made of, with the metrics of trec_eval and intervals by document."""

from __future__ import annotations

import pytest

from engine.search.bm25 import Bm25Index
from engine.search.reranked import RememberingScorer, RerankedSystem
from engine.search.systems import Bm25System
from eval.fusions import half_words
from eval.given.searched import METRICS, SearchedFor, compared_with, measure_search
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus
from eval.retrieval.remembered import SearchedOnce
from eval.significance import Bootstrap
from tests.support.scorers import ByNumber

IDS = [f"p{number}" for number in range(6)]
CORPUS = Corpus(IDS, IDS, [""] * 6, [str(number) for number in range(6)])


def ranker(name: str, order: str) -> Bm25System:
    """A ranker that always finds the passages in this order, by the length of their texts."""
    return Bm25System(Bm25Index(IDS, ["word" + " more" * order.index(str(number)) for number in range(6)]), name=name)


BENCHMARK = Benchmark(
    "held_out",
    {"q1": "word", "q2": "word ", "q3": " word"},
    {"q1": {"p0": 1}, "q2": {"p1": 1}, "q3": {"p4": 1}},
    {"x": 7},
)
SEARCHED = SearchedFor(BENCHMARK, CORPUS, {"q1": "d1", "q2": "d1", "q3": "d2"}, Bootstrap(200), 0, 9)


def test_levels_and_differences() -> None:
    figures = measure_search(SEARCHED, [ranker("bm25", "012345"), ranker("base", "543210"), ranker("tuned", "104532")])
    assert list(figures.systems) == ["bm25", "base", "tuned"]
    tuned, base = figures.systems["tuned"], figures.systems["base"]
    assert tuned.means["hit@1"] == pytest.approx(1 / 3)
    assert tuned.means["hit@2"] == pytest.approx(2 / 3)
    assert tuned.means["hit@3"] == 1
    assert tuned.means["mrr@100"] == pytest.approx((1 / 2 + 1 + 1 / 3) / 3)
    assert base.means["mrr@100"] == pytest.approx((1 / 6 + 1 / 5 + 1 / 2) / 3)
    assert (tuned.beside, base.beside) == ("base", "")
    assert tuned.difference["mrr@100"].mean == pytest.approx(tuned.means["mrr@100"] - base.means["mrr@100"])
    assert set(tuned.means) == set(tuned.ci95) == set(tuned.difference) == set(METRICS)
    assert base.difference == {}
    assert (figures.queries, figures.of, figures.passages, figures.all_passages) == (3, 10, 6, 9)
    assert (figures.cluster, figures.clusters) == ("document", 2)
    assert tuned.seconds_per_1000 > 0


def test_a_reranker_is_compared_with_its_first_stage_and_larger_depths_cost_more() -> None:
    first, scorer = ranker("base", "012345"), ByNumber()
    shared, remembering, texts = SearchedOnce(first), RememberingScorer(scorer), CORPUS.texts
    systems = [
        RerankedSystem(f"base@{depth}@r", shared, remembering, texts, CORPUS.ranks_of_ids, depth) for depth in (6, 3)
    ]
    figures = measure_search(SEARCHED, [first, *systems])
    assert list(figures.systems) == ["base", "base@6@r", "base@3@r"], "in the order in which they were given"
    assert len(scorer.asked) == 18, "the pairs of the largest depth"
    assert figures.systems["base@6@r"].beside == "base"
    assert figures.systems["base@6@r"].seconds_per_1000 > figures.systems["base@3@r"].seconds_per_1000
    assert [point.depth for point in figures.reranking["r"].points] == [0, 5, 6]
    assert figures.reranking["r"].cluster == "document"


def test_what_a_system_is_compared_with() -> None:
    assert compared_with(ranker("tuned", "012345")) == "base"
    assert compared_with(ranker(half_words("tuned"), "012345")) == half_words("base")
    assert compared_with(ranker("bm25", "012345")) == ""
