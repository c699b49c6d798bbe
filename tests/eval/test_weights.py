"""Each weight's values are those that the fused system reaches, in the order of the queries' ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from engine.search.bm25 import Bm25Index
from engine.search.fusion import FoundSystem, FusedSystem, Part
from engine.search.systems import Bm25System, Search
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus
from eval.retrieval.metrics import HEADLINE
from eval.retrieval.ranking import measure
from eval.weights import agreement, measure_weights

TEXTS = ["red fox", "red hen", "blue hen", "green sea", "red hen"]
CORPUS = Corpus(list("12345"), list("abcde"), [""] * 5, TEXTS)
QRELS = {"y": {"c": 1}, "x": {"a": 1}, "z": {"b": 1}}
BENCHMARK = Benchmark("made", {"y": "hen", "x": "fox", "z": ""}, QRELS, sources={"y": "c", "x": "a", "z": "e"})
WORDS = Bm25System(Bm25Index(CORPUS.passage_ids, TEXTS))
MEANING = FoundSystem(
    "base",
    (np.array([[3, 2], [0, 3], [1, 0]]), np.array([[0.9, 0.8], [0.7, 0.2], [0.5, 0.4]], np.float32)),
)
FIRST_TWO = FoundSystem("base", (MEANING.ranking[0][:2], MEANING.ranking[1][:2]))


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
def test_values_are_those_of_the_fused_system(weight: float) -> None:
    curves = measure_weights(BENCHMARK, WORDS, MEANING, CORPUS, [weight])
    fused = FusedSystem("base", [Part(WORDS, weight), Part(MEANING, 1 - weight)], CORPUS.ranks_of_ids)
    expected = measure(BENCHMARK, [fused], CORPUS, 10).scores["base"].values[HEADLINE]
    assert curves.values[:2, 0].tolist() == expected[:2].tolist()
    assert curves.values[2, 0] == 0.0, "z has no words, so that what is found for it is chance"


def test_no_system_is_asked_for_an_empty_text() -> None:
    class Reader:
        name = "base"

        def prepare(self, queries: Sequence[str]) -> Search:
            assert all(query.strip() for query in queries)
            return MEANING.prepare(queries)

    assert measure_weights(BENCHMARK, WORDS, Reader(), CORPUS, [0.0]).values[2, 0] == 0.0


def test_clusters_are_documents_copies_counted_once() -> None:
    curves = measure_weights(BENCHMARK, WORDS, MEANING, CORPUS)
    assert curves.clusters == ["a", "c", "b"], "e is a copy of b"
    assert curves.agreement[:2].tolist() == [0.01, 0.01]
    assert np.isnan(curves.agreement[2])


def test_a_judged_query_is_itself_though_its_id_is_that_of_a_copy() -> None:
    numbered = Benchmark("judged", {"b": "hen", "e": "red hen"}, {"b": {"c": 1}, "e": {"b": 1}})
    assert CORPUS.original_of["e"] == "b", "or the test says nothing"
    assert measure_weights(numbered, WORDS, FIRST_TWO, CORPUS).clusters == ["b", "e"]


def test_agreement_is_the_share_of_the_pool_that_both_found() -> None:
    assert agreement(np.array([[1, 2, 3], [4, -1, -1]]), np.array([[3, 2, 9], [5, -1, -1]])).tolist() == [0.02, 0.0]
