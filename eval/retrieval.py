"""Three systems, one way to measure them: BM25, the base model and the tuned model over the same documents.

In: a benchmark and the indexes over all passages. Out: a TREC run of documents per system, its scores per query, and how
long one query takes. Passages are what is searched, documents are what is judged: a document scores as its best passage
(MaxP, Dai and Callan 2019).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from eval.benchmark import Benchmark
from eval.metrics import Run, Scores, evaluate

if TYPE_CHECKING:
    from engine.encoder import Encoder
    from engine.search import Bm25Index, DenseIndex

SYSTEMS = ("bm25", "base", "tuned")
"""In the order of every table."""

Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]
"""Passage rows and scores, best first, both (queries, depth); row -1 fills up where there were fewer."""
Search = Callable[[int], Found]
"""depth -> what one system found for a fixed list of queries."""


@dataclass(frozen=True)
class Corpus:
    """All passages of a run, row by row.

    Attributes:
        passage_ids: unique ids.
        document_ids: the document of each passage.
        titles, texts: what a person reads.
    """

    passage_ids: list[str]
    document_ids: list[str]
    titles: list[str]
    texts: list[str]

    def encoded_texts(self) -> list[str]:
        """What BM25 and the encoders read of each passage."""
        from engine.encoder import passage_text

        return [passage_text(title, text) for title, text in zip(self.titles, self.texts, strict=True)]


class System(Protocol):
    """One retrieval system over a corpus."""

    name: str

    def prepare(self, queries: Sequence[str]) -> Search:
        """Does once what does not depend on the depth of the search: encoding the queries, say."""


@dataclass(frozen=True)
class Bm25System:
    """Okapi BM25 over words."""

    index: Bm25Index
    name: str = "bm25"

    def prepare(self, queries: Sequence[str]) -> Search:
        """Nothing to prepare."""
        return lambda depth: self.index.search(list(queries), depth)


@dataclass(frozen=True)
class DenseSystem:
    """A bi-encoder over an exact index."""

    name: str
    encoder: Encoder
    index: DenseIndex

    def prepare(self, queries: Sequence[str]) -> Search:
        """Encodes the queries."""
        vectors = self.encoder.encode_queries(list(queries))
        return lambda depth: self.index.search(vectors, depth)


@dataclass(frozen=True)
class Results:
    """What all systems reached on one benchmark; `runs` and `scores` by system name."""

    benchmark: Benchmark
    runs: Mapping[str, Run]
    scores: Mapping[str, Scores]


def read_corpus(folder: Path) -> Corpus:
    """Reads documents/passages.parquet."""
    import pyarrow.parquet as pq

    columns = ["passage_id", "document_id", "title", "text"]
    table = pq.read_table(folder / "passages.parquet", columns=columns)
    return Corpus(*(table.column(name).to_pylist() for name in columns))


def measure(benchmark: Benchmark, systems: Sequence[System], corpus: Corpus, k: int) -> Results:
    """Ranks `k` documents per query with every system and scores the rankings."""
    runs = {system.name: rank_documents(system, benchmark, corpus, k) for system in systems}
    return Results(benchmark, runs, {name: evaluate(run, benchmark.qrels) for name, run in runs.items()})


def rank_documents(system: System, benchmark: Benchmark, corpus: Corpus, k: int) -> Run:
    """The `k` best documents of every query, with scores.

    Searches deeper until the passages found belong to enough documents, so that MaxP is exact. A document whose id is
    the query's own is left out unless it is judged relevant (BEIR's rule for collections whose queries are documents
    themselves; the exception keeps collections that merely number both from 1).
    """
    if not benchmark.queries:
        return {}
    search = system.prepare(list(benchmark.queries.values()))
    names, of_passage = np.unique(np.asarray(corpus.document_ids), return_inverse=True)
    depth = min(k + 1, len(of_passage))
    while True:
        rows, scores = search(depth)
        found = [best_passages(of_passage, *row) for row in zip(rows, scores, strict=True)]
        if depth == len(of_passage) or all(len(documents) > k or (row < 0).any() for (documents, _), row in zip(found, rows, strict=True)):
            break
        depth = min(2 * depth, len(of_passage))
    run = {}
    for query_id, (documents, best) in zip(benchmark.queries, found, strict=True):
        scored = {str(names[document]): float(score) for document, score in zip(documents, best, strict=True)}
        if benchmark.qrels[query_id].get(query_id, 0) <= 0:
            scored.pop(query_id, None)
        run[query_id] = dict(list(scored.items())[:k])
    return run


def best_passages(of_passage: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], scores: npt.NDArray[np.float32]) -> Found:
    """Each document once, with the score of its best passage, best first.

    Args:
        of_passage: the document of each passage row, shape (passages,).
        rows, scores: passages of one query, best first, shape (depth,); row -1 is no passage.
    """
    scores = scores[rows >= 0]
    documents = of_passage[rows[rows >= 0]]
    first = np.sort(np.unique(documents, return_index=True)[1])
    return documents[first], scores[first]


def measure_latency(systems: Sequence[System], queries: Sequence[str], repetitions: int) -> dict[str, dict[str, dict[str, float]]]:
    """Milliseconds for one query at a time: system -> encode, search -> p50, p95.

    Three queries warm up uncounted; BM25 has nothing to encode.
    """
    return {system.name: _latency(system, queries, repetitions) for system in systems} if queries else {}


def _latency(system: System, queries: Sequence[str], repetitions: int) -> dict[str, dict[str, float]]:
    seconds = np.zeros((repetitions + 3, 2))
    for repetition in range(len(seconds)):
        started = time.perf_counter()
        search = system.prepare([queries[repetition % len(queries)]])
        prepared = time.perf_counter()
        search(10)
        seconds[repetition] = prepared - started, time.perf_counter() - prepared
    parts = {"encode": seconds[3:, 0], "search": seconds[3:, 1]}
    return {
        name: {f"p{share}_ms": round(1000 * float(np.percentile(values, share)), 3) for share in (50, 95)}
        for name, values in parts.items()
        if name == "search" or isinstance(system, DenseSystem)
    }
