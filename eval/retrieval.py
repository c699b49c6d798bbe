"""Three systems, one way to measure them: BM25, the base model and the tuned model over the same documents.

In: a benchmark and the indexes over all passages. Out: a TREC run of documents per system, its scores per query, and
how long one query takes. Passages are what is searched, documents are what is judged: a document scores as its best
passage (MaxP, Dai and Callan 2019).
"""

from __future__ import annotations

import itertools
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

Rows = npt.NDArray[np.int64]
FoundScores = npt.NDArray[np.float32]
Found = tuple[Rows, FoundScores]
"""Passage rows and scores, best first, both (queries, depth); row -1 fills up where there were fewer."""
FoundOne = tuple[Rows, FoundScores]
"""Document numbers and scores of one query, best first."""
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

    @property
    def name(self) -> str:
        """How runs, tables and files call it."""

    def prepare(self, queries: Sequence[str]) -> Search:
        """Does once what does not depend on the depth of the search: encoding the queries, say."""


@dataclass(frozen=True)
class Bm25System:
    """Okapi BM25 over words."""

    index: Bm25Index
    name: str = "bm25"

    def prepare(self, queries: Sequence[str]) -> Search:
        """Nothing to prepare."""
        return lambda depth: self._search(queries, depth)

    def _search(self, queries: Sequence[str], depth: int) -> Found:
        """Rows that share no word with the query were not found; the first stays, so that no query has an empty run."""
        rows, scores = self.index.search(queries, depth)
        rows[:, 1:][scores[:, 1:] <= 0] = -1
        return rows, scores


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
    number = {name: index for index, name in enumerate(dict.fromkeys(corpus.document_ids))}
    of_passage = np.array([number[name] for name in corpus.document_ids])
    names = list(number)
    search = system.prepare(list(benchmark.queries.values()))
    run = {}
    for query_id, found in zip(benchmark.queries, search_documents(search, of_passage, k + 1), strict=True):
        scored = {names[document]: float(score) for document, score in zip(*found, strict=True)}
        if benchmark.qrels[query_id].get(query_id, 0) <= 0:
            scored.pop(query_id, None)
        run[query_id] = dict(itertools.islice(scored.items(), k))
    return run


def search_documents(search: Search, of_passage: Rows, count: int) -> list[FoundOne]:
    """Per query, at least the `count` best documents (fewer where there are no more) and their scores.

    Args:
        search: finds passages.
        of_passage: the number of each passage's document, shape (passages,).
        count: documents wanted.
    """
    depth = min(count, len(of_passage))
    while True:
        rows, scores = search(depth)
        found = [best_passages(of_passage, *one) for one in zip(rows, scores, strict=True)]
        short = [len(documents) < count and (row >= 0).all() for (documents, _), row in zip(found, rows, strict=True)]
        if depth == len(of_passage) or not any(short):
            return found
        depth = min(2 * depth, len(of_passage))


def best_passages(of_passage: Rows, rows: Rows, scores: FoundScores) -> FoundOne:
    """Each document once, with the score of its best passage, best first.

    Args:
        of_passage: the number of each passage's document, shape (passages,).
        rows: passages of one query, best first, shape (depth,); -1 is no passage.
        scores: theirs, same shape.
    """
    scores, documents = scores[rows >= 0], of_passage[rows[rows >= 0]]
    first = np.sort(np.unique(documents, return_index=True)[1])
    return documents[first], scores[first]


Latency = dict[str, dict[str, float]]
"""encode, search -> p50_ms, p95_ms."""


def measure_latency(systems: Sequence[System], queries: Sequence[str], repetitions: int) -> dict[str, Latency]:
    """Milliseconds for one query at a time: system -> encode, search -> p50, p95.

    Three queries warm up uncounted; BM25 has nothing to encode.
    """
    measured = systems if queries and repetitions else ()
    return {system.name: _latency(system, queries, repetitions) for system in measured}


def _latency(system: System, queries: Sequence[str], repetitions: int) -> Latency:
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
