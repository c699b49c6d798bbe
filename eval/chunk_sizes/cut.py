"""The documents of a run, cut in one size, with the systems that search them.

In: a finished documents folder, an encoder, an analyser. Out: what each query reaches there, and what the index costs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from engine.artifacts.documents import DocumentsFolder
from engine.search.systems import Bm25System, DenseSystem, System
from eval.chunk_sizes.config import ChunkSize
from eval.chunk_sizes.figures import SizeFigures
from eval.retrieval.corpus import Corpus, read_corpus
from eval.retrieval.latency import DEPTH, WARM_UP
from eval.sweeps.measuring import both, values_per_query

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from engine.search.analyser import Analyser
    from engine.search.encoder import Encoder
    from eval.config import ReportConfig
    from eval.retrieval.benchmark import Benchmark
    from eval.retrieval.metrics import Floats


@dataclass(frozen=True, eq=False)
class CutDocuments:
    """Documents in chunks of one size.

    Attributes:
        documents: the finished folder.
        corpus: its chunks.
        words: BM25 over them.
        meaning: the encoder over them.
    """

    documents: DocumentsFolder
    corpus: Corpus
    words: Bm25System
    meaning: DenseSystem

    @property
    def systems(self) -> list[System]:
        """BM25, the encoder, and both with half of the weight each."""
        return [self.words, self.meaning, both(self.words, self.meaning, self.corpus)]

    def values(self, benchmark: Benchmark, k: int) -> dict[str, dict[str, Floats]]:
        """Returns what each query reaches, by system and metric."""
        return values_per_query(benchmark, self.systems, self.corpus, k)

    def figures(self, size: ChunkSize, queries: Sequence[str], repetitions: int) -> SizeFigures:
        """Measures what the size makes of documents and indexes.

        Args:
            size: how they were cut.
            queries: texts to time searches with.
            repetitions: number of searches that are timed of each system; 0 times none.
        """
        tokens = self.documents.passages(["num_tokens"])["num_tokens"]
        is_cut = pc.greater(tokens, self.meaning.encoder.max_tokens)
        return SizeFigures(
            size.tokens,
            size.overlap_tokens,
            len(tokens),
            round(pc.mean(tokens).as_py(), 1),
            round(pc.mean(is_cut).as_py(), 4),
            self.meaning.index.vectors.nbytes,
            self.words.index.num_bytes,
            {system.name: median_milliseconds(system, queries, repetitions) for system in self.systems if repetitions},
        )


def search_cut(folder: Path, report: ReportConfig, encoder: Encoder, analyser: Analyser, place: Place) -> CutDocuments:
    """Builds the systems over documents cut in one size; their chunks are encoded, or found in the cache.

    Args:
        folder: the finished documents folder.
        report: the settings of BM25 and of the encoder.
        encoder: the same encoder, loaded.
        analyser: how BM25 reads words, the same at all sizes.
        place: where the cache is.
    """
    from engine.search.bm25 import Bm25Index
    from engine.search.dense import DenseIndex
    from engine.search.embeddings import encode_passages_cached

    corpus = read_corpus(folder)
    bm25 = Bm25Index(
        corpus.passage_ids, corpus.encoded_texts(), k1=report.bm25_k1, b=report.bm25_b, terms_of=analyser.terms
    )
    passages = encode_passages_cached(report.encoder, folder, place)
    meaning = DenseSystem("base", encoder, DenseIndex(passages.ids, passages.vectors))
    return CutDocuments(DocumentsFolder(folder), corpus, Bm25System(bm25), meaning)


def median_milliseconds(system: System, queries: Sequence[str], repetitions: int) -> float:
    """Measures the median time of one query, from its text to its passages; a few queries before warm up.

    Args:
        system: what searches. A fused one searches while it prepares, so that only the whole can be told.
        queries: texts, taken in turn; at least one.
        repetitions: number of queries that count; at least one.
    """
    seconds = []
    for repetition in range(WARM_UP + repetitions):
        started = time.perf_counter()
        system.prepare([queries[repetition % len(queries)]])(DEPTH)
        seconds.append(time.perf_counter() - started)
    return round(1000 * statistics.median(seconds[WARM_UP:]), 2)
