"""Systems search the passages of a run, and each finds something for every query."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.search.bm25 import Bm25Index
from engine.search.dense import DenseIndex
from engine.search.systems import Bm25System, DenseSystem
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus, read_corpus
from eval.retrieval.ranking import rank_documents
from tests.support.small_run import DOCUMENTS, build_run


class CountingEncoder:
    """Gives every query the same vector, and counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def encode_queries(self, queries: list[str]) -> np.ndarray:
        """One vector per query, shape (queries, 2)."""
        self.calls += 1
        return np.tile(np.array([1.0, 0.0], np.float32), (len(queries), 1))


def test_a_corpus_has_all_passages_and_what_encoders_read_of_them(tmp_path: Path) -> None:
    corpus = read_corpus(build_run(tmp_path)["documents"])
    assert corpus.document_ids == [name for name in DOCUMENTS for _ in range(2)]
    assert corpus.passage_ids[:2] == ["apples", "apples#2"]
    assert corpus.encoded_texts()[0] == "Apples\n" + DOCUMENTS["apples"][1]
    assert corpus.encoded_texts()[2] == DOCUMENTS["bees"][1], "bees has no title"


def test_a_deeper_search_does_not_encode_the_queries_again() -> None:
    encoder = CountingEncoder()
    index = DenseIndex(["a", "b", "c"], np.array([[0, 1], [1, 0], [0.6, 0.8]], np.float32))
    search = DenseSystem("base", encoder, index).prepare(["one", "two"])  # type: ignore[arg-type]
    assert [search(depth)[0].tolist() for depth in (1, 2)] == [[[1], [1]], [[1, 2], [1, 2]]]
    assert encoder.calls == 1


def test_bm25_finds_nothing_without_a_shared_word_but_never_an_empty_ranking() -> None:
    corpus = Corpus(["1", "2"], ["1", "2"], ["", ""], ["red fox", "blue hen"])
    system = Bm25System(Bm25Index(corpus.passage_ids, corpus.texts))
    benchmark = Benchmark("x", {"a": "red", "b": "green"}, {"a": {"1": 1}, "b": {"1": 1}})
    trec_run = rank_documents(system, benchmark, corpus, 100)
    assert list(trec_run["a"]) == ["1"]
    assert list(trec_run["b"].values()) == [0.0]
