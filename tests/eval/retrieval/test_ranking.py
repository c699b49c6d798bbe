"""Documents are ranked by their best passage, exactly, whatever the depth of the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from engine.search.analyser import Analyser
from engine.search.bm25 import Bm25Index
from engine.search.dense import DenseIndex
from engine.search.encoder import Encoder, EncoderConfig
from engine.search.order import Ranking
from engine.search.systems import Bm25System, DenseSystem, Search, System, vector_search
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import SYSTEMS, Corpus, read_corpus
from eval.retrieval.metrics import evaluate, ranking
from eval.retrieval.ranking import best_passages, measure, rank_documents
from eval.synthetic import held_out_queries
from tests.support.small_run import build_run, small_benchmark, small_systems


@dataclass
class VectorSystem:
    """A dense system whose query vectors are given."""

    index: DenseIndex
    vectors: np.ndarray
    name: str = "dense"

    def prepare(self, queries: Sequence[str]) -> Search:
        assert len(queries) == len(self.vectors)
        return vector_search(self.index, self.vectors)


def random_corpus(num_documents: int) -> tuple[Corpus, np.ndarray]:
    """Documents of 1 to 40 passages with random unit vectors."""
    rng = np.random.default_rng(0)
    documents = [f"d{number}" for number in range(num_documents) for _ in range(int(rng.integers(1, 41)))]
    vectors = rng.normal(size=(len(documents), 8)).astype(np.float32)
    passages = [f"{name}#{row}" for row, name in enumerate(documents)]
    return Corpus(passages, documents, [""] * len(documents), passages), vectors / np.linalg.norm(
        vectors, axis=1, keepdims=True
    )


@pytest.mark.parametrize("k", [1, 5, 30, 100])
def test_max_p_is_exact_at_any_depth(k: int) -> None:
    corpus, vectors = random_corpus(60)
    queries = vectors[:7] + np.float32(0.1)
    benchmark = Benchmark("x", {f"q{row}": "x" for row in range(7)}, {f"q{row}": {"d1": 1} for row in range(7)})
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


def test_one_query_near_repeated_text_is_searched_deeper_alone() -> None:
    """It is near a text that stands in 300 of 600 documents, and every other query finds enough at once."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(600, 8)).astype(np.float32)
    vectors[:300] = vectors[0]
    names = [f"d{row:03}" for row in range(600)]
    texts = ["nothing was found" if row < 300 else f"text {row}" for row in range(600)]
    corpus = Corpus(names, names, [""] * 600, texts)
    queries = np.concatenate([vectors[:1], rng.normal(size=(39, 8)).astype(np.float32) - vectors[0]])
    index = _CountingIndex(names, vectors)
    sources = {f"q{number:02}": names[-1 - number] for number in range(40)}
    judged = {name: {source: 1} for name, source in sources.items()}
    benchmark = Benchmark("x", dict.fromkeys(sources, "x"), judged, sources=sources)
    trec_run = rank_documents(VectorSystem(index, queries), benchmark, corpus, 10)
    assert {len(ranked) for ranked in trec_run.values()} == {10}
    assert index.searched[0] == (40, 11)
    assert [number for number, _ in index.searched[1:]] == [1] * 5, "11 passages, 22, and so on up to 352"
    alone = {
        name: rank_documents(VectorSystem(index, queries[row : row + 1]), one, corpus, 10)[name]
        for row, (name, one) in enumerate(_each_alone(benchmark).items())
    }
    assert trec_run == alone


class _CountingIndex(DenseIndex):
    """An index that notes how many queries were searched how deep."""

    def __init__(self, ids: Sequence[str], vectors: np.ndarray) -> None:
        super().__init__(ids, vectors)
        self.searched: list[tuple[int, int]] = []

    def search(self, queries: np.ndarray, k: int) -> Ranking:
        self.searched.append((len(queries), k))
        return super().search(queries, k)


def _each_alone(benchmark: Benchmark) -> dict[str, Benchmark]:
    """A benchmark for each query."""
    return {
        name: replace(
            benchmark,
            queries={name: text},
            qrels={name: benchmark.qrels[name]},
            sources={name: benchmark.sources[name]},
        )
        for name, text in benchmark.queries.items()
    }


def test_best_passages_keeps_the_first_of_each_document_and_skips_padding() -> None:
    documents, scores = best_passages(np.array([1, 0, 0, 2]), np.array([5, 4, 3, 2], np.float32))
    assert (documents.tolist(), scores.tolist()) == ([1, 0, 2], [5, 4, 2])


def doubled(corpus: Corpus) -> Corpus:
    """The same passages, each in a second document too, with other white space."""
    return Corpus(
        [*(f"!{name}" for name in corpus.passage_ids), *corpus.passage_ids],
        [*(f"!{name}" for name in corpus.document_ids), *corpus.document_ids],
        corpus.titles * 2,
        [*(f"{text}\n" for text in corpus.texts), *corpus.texts],
    )


def real_systems(corpus: Corpus) -> list[System]:
    """BM25 and the bundled encoder."""
    encoder = Encoder(EncoderConfig("bundled:all-minilm-l6-v2", query_prefix="", passage_prefix="", max_tokens=64))
    texts = corpus.encoded_texts()
    words = Bm25Index(corpus.passage_ids, texts, terms_of=Analyser("english").terms)
    return [
        Bm25System(words),
        DenseSystem("base", encoder, DenseIndex(corpus.passage_ids, encoder.encode_passages(texts))),
    ]


def test_synthetic_queries_have_the_same_figures_where_every_text_stands_twice(tmp_path: Path) -> None:
    folders = build_run(tmp_path)
    corpus, benchmark = read_corpus(folders["documents"]), held_out_queries(folders["examples"], 0)
    copies = {query_id: f"!{name}" for query_id, name in benchmark.sources.items()}
    of_copies = replace(benchmark, sources=copies, qrels={query_id: {name: 1} for query_id, name in copies.items()})
    once = [
        evaluate(rank_documents(system, benchmark, corpus, 100), benchmark.qrels) for system in real_systems(corpus)
    ]
    for queries in (benchmark, of_copies):
        for system, scores in zip(real_systems(doubled(corpus)), once, strict=True):
            twice = evaluate(rank_documents(system, queries, doubled(corpus), 100), queries.qrels)
            assert twice.means() == pytest.approx(scores.means()), system.name


def test_judged_queries_go_by_ids_even_where_texts_are_equal() -> None:
    corpus = doubled(Corpus(["a", "b"], ["a", "b"], ["", ""], ["red fox", "red hen and a cow"]))
    system = Bm25System(Bm25Index(corpus.passage_ids, corpus.texts))
    benchmark = Benchmark("x", {"q": "red fox"}, {"q": {"!a": 1}})
    assert list(rank_documents(system, benchmark, corpus, 100)["q"]) == ["a", "!a", "b", "!b"]
    synthetic = replace(benchmark, sources={"q": "!a"})
    assert list(rank_documents(system, synthetic, corpus, 100)["q"]) == ["!a", "!b"]


def test_a_rival_is_found_by_the_text_that_it_alone_holds() -> None:
    notice = "all rights reserved by the red publisher"
    corpus = Corpus(
        ["a1", "a2", "b1", "b2", "c1"], ["a", "a", "b", "b", "c"], [""] * 5, ["fox", notice, "hen", notice, "red"]
    )
    system = Bm25System(Bm25Index(corpus.passage_ids, corpus.texts))
    benchmark = Benchmark("x", {"q": "rights of the hen"}, {"q": {"c": 1}}, sources={"q": "c"})
    # The notice is that of `a`, where it stands first; `b` is found by its hen.
    assert set(rank_documents(system, benchmark, corpus, 100)["q"]) == {"a", "b"}


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
