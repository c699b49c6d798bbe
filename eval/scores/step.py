"""The scores step: what each query reaches with one model, alone and with words.

In: the finished folders of a run and of one model, or of no model for the base. Out: scores.parquet, a row per query
and system. Passages are encoded into the folder of the step and removed again, since no other step needs the vectors of
such a model; those of the base are kept with the embeddings of the store.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.model import ModelFolder
from engine.artifacts.sweeps import ScoresFolder, ScoresRecord
from engine.search.systems import Bm25System, System
from engine.search.tuned import tuned_encoder
from eval.evaluation import analyser_of
from eval.report import HELD_OUT
from eval.retrieval.corpus import Corpus, read_corpus
from eval.scores.config import ScoresConfig
from eval.sweeps.measuring import JUDGED, MEASURED, both, clusters_of, query_sets, values_per_query
from eval.synthetic import held_out_queries
from eval.systems import dense_system

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from eval.retrieval.benchmark import Benchmark

_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("set", "query_id", "cluster", "system")]
    + [(metric, pa.float64()) for metric in MEASURED]
)


def score_model(config: ScoresConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> ScoresRecord:
    """Ranks documents for judged questions and for synthetic queries of held-out documents, and scores the rankings.

    Args:
        config: how it is measured.
        inputs: the finished folders `documents`, `prompts`, `examples`, and `model`; without a model, the base is
            measured, and BM25 beside it.
        output: the folder to write into.
        place: where the step runs.
    """
    corpus = read_corpus(inputs["documents"])
    held_out = held_out_queries(inputs["examples"], config.report.max_held_out)
    sets = query_sets(config.report, inputs, corpus, held_out, place)
    with tempfile.TemporaryDirectory(prefix="vectors-", dir=output) as scratch:
        _write_scores(sets, _Measuring(config, inputs, corpus, place, Path(scratch)), ScoresFolder(output).scores_file)
    counts = {name: len(benchmark.queries) for name, benchmark in sets.items()}
    trained = ModelFolder(inputs["model"]).record().seconds["total"] if "model" in inputs else 0.0
    return ScoresRecord(counts.get(JUDGED, 0), counts.get(HELD_OUT, 0), trained)


@dataclass(frozen=True, eq=False)
class _Measuring:
    """What a measurement is made with."""

    config: ScoresConfig
    inputs: Mapping[str, Path]
    corpus: Corpus
    place: Place
    scratch: Path
    """A folder for vectors that nobody keeps."""

    def systems(self) -> list[System]:
        """Builds the systems that are measured: the model and the model with words; with the base, also BM25."""
        from engine.search.bm25 import Bm25Index

        report, corpus = self.config.report, self.corpus
        terms_of = analyser_of(report, corpus, self.place).terms
        texts = corpus.encoded_texts()
        words = Bm25System(Bm25Index(corpus.passage_ids, texts, k1=report.bm25_k1, b=report.bm25_b, terms_of=terms_of))
        documents, weight = self.inputs["documents"], self.config.weight
        if "model" not in self.inputs:
            base = dense_system("base", report.encoder, documents, self.place)
            return [words, base, both(words, base, corpus, weight)]
        encoder = tuned_encoder(report.encoder, self.inputs["model"])
        tuned = dense_system("tuned", encoder, documents, replace(self.place, store_dir=self.scratch))
        return [tuned, both(words, tuned, corpus, weight)]


def _write_scores(sets: Mapping[str, Benchmark], measuring: _Measuring, file: Path) -> None:
    """Measures and writes; when it returns, nothing reads the vectors any more, so that they can be removed."""
    systems = measuring.systems()
    with pq.ParquetWriter(file, _SCHEMA) as writer:
        for name, benchmark in sets.items():
            for rows in _rows(name, benchmark, systems, measuring):
                writer.write_table(rows)


def _rows(name: str, benchmark: Benchmark, systems: list[System], measuring: _Measuring) -> Iterator[pa.Table]:
    """Gives the rows of each system; a document that is a copy of another is taken for it, as `clusters_of` has it."""
    corpus, query_ids = measuring.corpus, sorted(benchmark.queries)
    clusters = clusters_of(benchmark, corpus.original_of)
    for system, values in values_per_query(benchmark, systems, corpus, measuring.config.report.k).items():
        count = len(query_ids)
        columns = {"set": [name] * count, "query_id": query_ids, "cluster": clusters, "system": [system] * count}
        yield pa.table({**columns, **values}, schema=_SCHEMA)
