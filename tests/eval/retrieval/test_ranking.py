"""Documents are ranked by their best passage, exactly, whatever the depth of the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from engine.search.bm25 import Bm25Index
from engine.search.dense import DenseIndex
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.metrics import ranking
from eval.retrieval.ranking import best_passages, measure, rank_documents
from eval.retrieval.systems import SYSTEMS, Bm25System, Corpus, Search, read_corpus
from tests.support.small_run import build_run, small_benchmark, small_systems


@dataclass
class VectorSystem:
    """A dense system whose query vectors are given."""

    index: DenseIndex
    vectors: np.ndarray
    name: str = "dense"

    def prepare(self, queries: Sequence[str]) -> Search:
        assert len(queries) == len(self.vectors)
        return lambda depth: self.index.search(self.vectors, depth)


def random_corpus(num_documents: int) -> tuple[Corpus, np.ndarray]:
    """Documents of 1 to 40 passages with random unit vectors."""
    rng = np.random.default_rng(0)
    documents = [f"d{number}" for number in range(num_documents) for _ in range(int(rng.integers(1, 41)))]
    vectors = rng.normal(size=(len(documents), 8)).astype(np.float32)
    passages = [f"{name}#{row}" for row, name in enumerate(documents)]
    blank = [""] * len(documents)
    return Corpus(passages, documents, blank, blank), vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("k", [1, 5, 30, 100])
def test_max_p_is_exact_at_any_depth(k: int) -> None:
    corpus, vectors = random_corpus(60)
    queries = vectors[:7] + np.float32(0.1)
    benchmark = Benchmark("x", {f"q{row}": "" for row in range(7)}, {f"q{row}": {"d1": 1} for row in range(7)})
    trec_run = rank_documents(VectorSystem(DenseIndex(corpus.passage_ids, vectors), queries), benchmark, corpus, k)
    for row, (query_id, ranked) in enumerate(trec_run.items()):
        scores = (queries[row].astype(np.float64) @ vectors.T.astype(np.float64)).astype(np.float32)
        best: dict[str, float] = {}
        for name, score in zip(corpus.document_ids, scores.tolist(), strict=True):
            best[name] = max(best.get(name, -9.0), score)
        expected = ranking(best)[:k]
        assert list(ranked) == expected, query_id
        assert ranked == {name: best[name] for name in expected}


def test_the_query_itself_is_left_out_unless_it_is_judged_relevant() -> None:
    corpus = Corpus(["1", "2", "3"], ["1", "2", "3"], [""] * 3, ["red fox", "red hen", "red cow"])
    qrels = {"1": {"2": 1}, "3": {"3": 1}}
    system = Bm25System(Bm25Index(corpus.passage_ids, corpus.texts))
    trec_run = rank_documents(system, Benchmark("x", {"1": "red fox", "3": "red cow"}, qrels), corpus, 100)
    assert set(trec_run["1"]) == {"2", "3"}
    assert "3" in trec_run["3"]


def test_best_passages_keeps_the_first_of_each_document_and_skips_padding() -> None:
    of_passage = np.array([0, 0, 1, 2])
    documents, scores = best_passages(of_passage, np.array([2, 1, 0, 3, -1]), np.array([5, 4, 3, 2, 0], np.float32))
    assert (documents.tolist(), scores.tolist()) == ([1, 0, 2], [5, 4, 2])


def test_all_systems_are_measured_on_the_same_queries(tmp_path: Path) -> None:
    corpus = read_corpus(build_run(tmp_path)["documents"])
    results = measure(small_benchmark(), small_systems(corpus), corpus, 100)
    assert set(results.trec_runs) == set(results.scores) == set(SYSTEMS)
    assert results.scores["bm25"].means()["hit@1"] > 0.5
    assert all(scores.query_ids == tuple(small_benchmark().queries) for scores in results.scores.values())


def test_no_queries_give_empty_trec_runs(tmp_path: Path) -> None:
    corpus = read_corpus(build_run(tmp_path)["documents"])
    results = measure(Benchmark("x", {}, {}), small_systems(corpus), corpus, 100)
    assert results.scores["base"].means()["ndcg@10"] == 0
    assert results.trec_runs["base"] == {}
