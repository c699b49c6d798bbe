"""Builds the three systems and runs them over what there is to measure: judged questions and held-out queries.

In: the folders of the other steps. Out: an Evaluation, everything that the report is written from. The one module
of this package where encoders and indexes are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from eval.decision import Decision, decide, held_out_queries
from eval.retrieval.benchmark import Benchmark, load_benchmark
from eval.retrieval.latency import measure_latency
from eval.retrieval.ranking import Results, measure
from eval.retrieval.systems import Bm25System, Corpus, DenseSystem, System, read_corpus
from eval.significance import Bootstrap

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from engine.search.encoder import EncoderConfig
    from eval.config import ReportConfig


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        judged: results on the benchmark; None without one.
        held_out: results on the synthetic queries that the decision rests on.
        latency: system -> encode, search -> p50, p95 in milliseconds.
        bootstrap: how intervals are made.
    """

    corpus: Corpus
    judged: Results | None
    held_out: Results
    decision: Decision
    latency: Mapping[str, Mapping[str, Mapping[str, float]]]
    bootstrap: Bootstrap

    @property
    def shown(self) -> Results:
        """What headlines and tables are about: the judged questions where there are any."""
        return self.judged or self.held_out


def evaluate_systems(config: ReportConfig, inputs: Mapping[str, Path], place: Place) -> Evaluation:
    """Encodes what is not encoded yet, searches, scores, decides."""
    corpus = read_corpus(inputs["documents"])
    benchmark = find_benchmark(config, inputs, corpus, place)
    systems = build_systems(config, inputs, corpus, place)
    held_out = measure(held_out_queries(inputs["examples"]), systems, corpus, config.k)
    bootstrap = Bootstrap(config.resamples, seed=config.seed)
    deciding = replace(bootstrap, level=config.decision_level)
    judged = measure(benchmark, systems, corpus, config.k) if benchmark else None
    queries = list((judged or held_out).benchmark.queries.values())
    return Evaluation(
        corpus,
        judged,
        held_out,
        decide(held_out.scores["base"], held_out.scores["tuned"], deciding),
        measure_latency(systems, queries, config.latency_repetitions),
        bootstrap,
    )


def find_benchmark(config: ReportConfig, inputs: Mapping[str, Path], corpus: Corpus, place: Place) -> Benchmark | None:
    """The benchmark, less the demonstrations; None, with a warning, when the run has none of its documents."""
    exclude = demonstration_queries(inputs["prompts"])
    benchmark = load_benchmark(config.benchmark, config.split, exclude)
    if benchmark is None or not benchmark.queries:
        return None
    relevant = {document for judged in benchmark.qrels.values() for document, grade in judged.items() if grade > 0}
    if relevant.isdisjoint(corpus.document_ids):
        place.console.warn(
            f"none of the {len(relevant)} documents judged relevant in {benchmark.name} is among this run's documents, "
            "so it is not evaluated"
        )
        return None
    return benchmark


def build_systems(config: ReportConfig, inputs: Mapping[str, Path], corpus: Corpus, place: Place) -> list[System]:
    """BM25, base and tuned over all passages."""
    from engine.search.bm25 import Bm25Index

    bm25 = Bm25Index(corpus.passage_ids, corpus.encoded_texts(), k1=config.bm25_k1, b=config.bm25_b)
    dense = {"base": config.encoder, "tuned": tuned_encoder(config.encoder, inputs["model"])}
    return [
        Bm25System(bm25),
        *(dense_system(name, encoder, inputs["documents"], place) for name, encoder in dense.items()),
    ]


def dense_system(name: str, config: EncoderConfig, documents: Path, place: Place) -> DenseSystem:
    """One model over the passages, encoded now or found in the cache."""
    from engine.search.dense import DenseIndex
    from engine.search.embeddings import encode_passages_cached
    from engine.search.encoder import Encoder

    passages = encode_passages_cached(config, documents, place)
    encoder = Encoder(config, num_threads=place.num_cpus)
    return DenseSystem(name, encoder, DenseIndex(passages.ids, passages.vectors))


def tuned_encoder(base: EncoderConfig, model: Path) -> EncoderConfig:
    """The base encoder's settings with the tuned model's folder."""
    return replace(base, model=str(model))


def demonstration_queries(prompts: Path) -> set[str]:
    """Ids of the judged queries that were taken as demonstrations, shown or not."""
    import pyarrow.parquet as pq

    table = pq.read_table(prompts / "demonstration_pool.parquet")
    return set(filter(None, table["query_id"].to_pylist())) if "query_id" in table.column_names else set()
