"""The report step: documents, prompts, samples, examples, model -> report.

In: the folders of all other steps. Out: report.json, report.html, per_query.parquet and .tsv, TREC runs with the
judgements they were scored on. The passages were encoded with the base model by the round trip and come from the
cache; the tuned model encodes them once. This file is the order of things; each thing has a module of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import II

from engine.errors import UserError
from engine.runtime.identity import fields_of, placement
from engine.search.encoder import EncoderConfig
from eval.retrieval.benchmark import benchmark_digest


@dataclass(frozen=True)
class ReportConfig:
    """What the models are measured on, and how."""

    benchmark: str = II("collection")
    """A folder with queries.jsonl and qrels/, the name of a benchmark that ships, or empty for none."""
    split: str = "test"
    """Which judgements: qrels/SPLIT.tsv."""
    k: int = 100
    """Documents ranked per query, and lines per query in the TREC runs."""
    bm25_k1: float = 1.5
    bm25_b: float = 0.75
    """BM25 in Lucene's form; the stronger of the usual defaults on CACM."""
    resamples: int = 10_000
    """Of the paired bootstrap."""
    decision_level: float = 0.95
    """Width of the interval that decides between base and tuned; all reported intervals are 95 %."""
    latency_repetitions: int = placement(50)
    """Queries timed one at a time, per system; 0 times none."""
    price_per_gpu_hour: float = II("samples.price_per_gpu_hour")
    """For the table of cost; 0: unknown. A new price makes a new report, and nothing else."""
    price_per_cpu_hour: float = II("samples.price_per_cpu_hour")
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """The base model; the tuned one is read with the same prefixes and length."""
    seed: int = II("seed")

    def __post_init__(self) -> None:
        """Refuses settings that could only fail after the model is trained."""
        if self.k < 100:
            what = f"{self.k} documents per query are too few for Recall@100"
            raise UserError(what, where=f"report.k={self.k}", remedy="set it to 100 or more")
        if not 0.5 <= self.decision_level < 1:
            what, where = "no level of an interval", f"report.decision_level={self.decision_level}"
            raise UserError(what, where=where, remedy="set it to 0.95, say")
        if self.resamples < 1:
            raise UserError(
                "no resamples, no interval", where=f"report.resamples={self.resamples}", remedy="set it to 10000"
            )

    def identity(self) -> dict[str, object]:
        """The benchmark's queries and judgements in place of its path.

        Raises:
            UserError: the benchmark cannot be read; a run asks this before it starts anything.
        """
        return fields_of(self) | {"benchmark": benchmark_digest(self.benchmark, self.split)}
