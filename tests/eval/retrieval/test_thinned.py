"""Thinned queries lack words that they share with their document, and nothing else."""

from __future__ import annotations

from engine.search.analyser import Analyser
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus
from eval.retrieval.thinned import thinned

CORPUS = Corpus(["1", "2"], ["a", "b"], ["Foxes", "Hens"], ["red ones", "blue ones"])
TERMS = Analyser("english").terms
QUERIES = Benchmark(
    "x", {"p": "what do red foxes eat", "q": "fox of blue hens"}, {"p": {"a": 1}, "q": {"b": 1, "a": 0}}
)


def test_all_shared_words_are_left_out_by_their_terms_and_no_other() -> None:
    whole = thinned(QUERIES, CORPUS, TERMS, 1.0)
    assert whole.queries == {"p": "what do eat", "q": "fox of"}, "foxes has the term of fox; a is not relevant to q"
    assert whole.qrels == QUERIES.qrels
    assert thinned(QUERIES, CORPUS, TERMS, 0.0) is QUERIES


def test_a_share_is_left_out_whatever_the_order_of_the_queries() -> None:
    queries = {f"q{number}": "red foxes " * 20 + "bark" for number in range(30)}
    benchmark = Benchmark("x", queries, {name: {"a": 1} for name in queries})
    half = thinned(benchmark, CORPUS, TERMS, 0.5)
    left = [len(query.split()) - 1 for query in half.queries.values()]
    assert 0.45 < sum(left) / (40 * len(left)) < 0.55
    assert len(set(half.queries.values())) > 1, "every query has draws of its own"
    backwards = Benchmark("x", dict(reversed(queries.items())), benchmark.qrels)
    assert thinned(backwards, CORPUS, TERMS, 0.5).queries == half.queries
    assert thinned(benchmark, CORPUS, TERMS, 0.5, seed=1).queries != half.queries


def test_words_of_a_script_without_spaces_are_pairs_of_letters() -> None:
    corpus = Corpus(["1"], ["a"], [""], ["猫が庭で眠る。"])
    terms = Analyser("japanese").terms
    queries = {"q": "GPUと 庭で眠る猫が", "r": "犬は庭で走る"}
    benchmark = Benchmark("x", queries, {name: {"a": 1} for name in queries})
    assert thinned(benchmark, corpus, terms, 1.0).queries == {"q": "GPUと", "r": "犬は 走る"}
    some = [thinned(benchmark, corpus, terms, 0.5, seed).queries["r"] for seed in range(20)]
    assert set(some) == {"犬は庭で走る", "犬は 走る"}, "what is not left out stays as it was"
