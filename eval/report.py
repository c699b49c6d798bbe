"""The report as one record: every figure of report.json, with its name, its type and its meaning.

In: what each measurement found, and what the steps recorded. Out: a `Report`, and report.json from it and back. The
names and the order of the fields are those of the file, which people and scripts rely on. Each measurement defines the
record of its own figures and returns it; the page, the terminal and the wording read a Report, so that no measurement
depends on how it is shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.artifacts.documents import DocumentsRecord
from engine.artifacts.report import ReportFolder
from engine.errors import UserError
from engine.search.encoder import EncoderConfig
from engine.search.usage import Usage
from engine.storage.typed import from_json_values, to_json_values
from eval.cost import Cost
from eval.data_quality.queries import DataQuality
from eval.query_log import LogFigures
from eval.reranking.figures import RerankCurve
from eval.retrieval.corpus import with_words
from eval.retrieval.figures import RetrievalFigures
from eval.retrieval.indexes import IndexComparison
from eval.retrieval.latency import Latency
from eval.significance import DifferenceFigures
from eval.similarity.figures import SimilarityFigures
from eval.times import PhaseTimes

HELD_OUT = "held_out"
"""Name of the collection of synthetic queries about held-out documents, and of the kind of these queries."""
JUDGED = "judged"
"""The other kind of queries: judged questions, whatever collection they are of, if only one named `held_out`."""
KIND = "kind"
"""The column of per_query.parquet with the kind of each query."""
UNIT = "unit"
"""The column of per_query.parquet with what each query is drawn with, for intervals; see `Benchmark.unit_of`."""


@dataclass(frozen=True)
class SampleCounts:
    """The numbers of planned samples, generated and failed ones; planned = generated + failed."""

    planned: int
    generated: int
    failed: int
    is_made_up: bool = False
    """Whether the fake generator computed them (`samples=fake`): then no figure says anything of a model."""


@dataclass(frozen=True)
class ExampleCounts:
    """The numbers of examples after curation; generated samples = kept + all that were rejected."""

    kept: int
    rejected: Mapping[str, int]
    """Number of rejected samples, by reason."""


@dataclass(frozen=True)
class GenerationRates:
    """How fast the engines wrote; None where the samples step did not report it."""

    samples_per_second: float | None
    prompt_tokens_per_second: float | None
    output_tokens_per_second: float | None
    prefix_cache_hit_rate: float | None
    """Share of prompt tokens, 0 to 1, that the engines took from their prefix cache."""
    engine_start_seconds: float | None
    """The longest start of an engine."""


@dataclass(frozen=True)
class TrainingFigures:
    """How the tuned model was trained, after what was left open had been chosen; None where nothing reported it."""

    pairs_per_second: float | None
    steps: int | None
    examples: int | None
    epochs: int | None = None
    batch_size: int | None = None
    """The pairs of one step over all workers, which few examples make smaller than was set."""
    learning_rate: float | None = None
    """The highest learning rate, which goes with the size of the steps."""
    loss: str | None = None
    precision: str | None = None
    base_share: float | None = None
    """The share of the base's weights in the finished ones, 0 to 1; None for what is no encoder."""


@dataclass(frozen=True)
class FusedCheck:
    """The check for harm of both models with words: tuned with words against base with words."""

    is_harmless: bool
    """Whether the tuned model passes it."""
    why: str
    """One sentence with the figures."""
    weight: float
    """The weight of words, 0 to 1; that of meaning is what is left to 1."""
    base: float
    """Mean nDCG@10 of base with words on the held-out queries."""
    tuned: float
    """The same of tuned with words."""
    difference: DifferenceFigures
    """Tuned minus base, each with words; the interval is by document."""
    rank: DifferenceFigures
    """How many times better tuned with words ranks the documents, as log2."""


@dataclass(frozen=True)
class Decision:
    """The model to use, base or tuned, and what that choice rests on."""

    model: str
    """Name of the model to use: tuned or base."""
    why: str
    """One sentence with the figures."""
    metric: str
    queries: int
    """Number of held-out queries that both models answered."""
    difference: DifferenceFigures
    """Tuned minus base, with the source document as the only relevant one; the interval is by document."""
    documents: int = 0
    """Number of documents that those queries were written from, copies counted once; 0 in reports from before that."""
    rank: DifferenceFigures | None = None
    """How many times better tuned ranks those documents, as log2; None in reports from before that was decided by."""
    fused: FusedCheck | None = None
    """The same check of both models with words, which has to be passed too; None where nothing was held out, and in
    reports from before there was one."""
    model_alone: str = ""
    """The model that the check of both alone leads to; empty in reports from before there was another one."""


@dataclass(frozen=True)
class Choice:
    """How to search, and what that rests on."""

    model: str
    """The encoder: base, or tuned."""
    weight: float
    """The weight of words, 0 to 1; that of meaning is what is left to 1."""
    ndcg: float
    """What the weight reaches with the base encoder on the queries that it was chosen on; with judged queries, what the
    system reaches on them, each scored by a choice without it."""
    over_words: DifferenceFigures
    """How much that is more than words alone reach, on the same queries."""
    over_meaning: DifferenceFigures
    """How much that is more than the base encoder alone reaches, on the same queries."""
    tuning: DifferenceFigures | None
    """How much the tuned encoder adds to the base at the same weight, on held-out and on judged queries; None where
    nothing was held out."""
    synthetic: int
    """Number of synthetic queries."""
    documents: int
    """Number of documents that these were written from."""
    real: int
    """Number of real queries whose agreement was seen."""
    judged: int
    """Number of judged queries whose judgements took part."""
    lost: float
    """Share of the words in common with their document that queries are taken to lack on average: some lack none."""
    held_out: int = 0
    """Number of synthetic queries of held-out documents among those that `tuning` is of; 0 in older reports too."""

    @property
    def system(self) -> str:
        """The name of the chosen system: one of `systems.SYSTEMS`, or of those with words (`with_words`)."""
        return {0.0: self.model, 1.0: "bm25"}.get(self.weight, with_words(self.model))


@dataclass(frozen=True)
class SystemFigures:
    """What one system reaches on the queries that headlines are about, in nDCG@10."""

    mean: float
    ci95: tuple[float, float]
    """The 95 % interval of the mean."""
    to_chosen: DifferenceFigures | None
    """This system minus the chosen one; None for the chosen one itself."""
    p_holm: float | None = None
    """Two-sided p of that difference, by the randomisation test and corrected for the number of systems (Holm); None
    for the chosen one, and in reports from before it was computed."""
    recall: Mapping[int, float] = field(default_factory=dict)
    """Mean recall by number of documents; empty in reports from before it was told."""
    index_bytes: int | None = None
    """The bytes of the index in memory; None where they are not known."""
    seen: float | None = None
    """What the system reaches on the same queries where all of them chose its weight; None where `mean` is not
    cross-fitted, but of just this, and in reports from before it was told of each system."""


@dataclass(frozen=True)
class RerankerGain:
    """What the cross-encoder that the run trained adds to the system to search with, on the queries of the headline."""

    depth: int
    """The number of passages that it orders."""
    gain: DifferenceFigures
    """Reranked minus not reranked."""

    @property
    def is_recommended(self) -> bool:
        """Tells whether to rerank: where that is surely better."""
        return self.gain.low > 0


@dataclass(frozen=True)
class Recommendation:
    """How to search, and what every system reaches; on each query, with what was chosen without that query."""

    choice: Choice | None
    """None where there were too few synthetic queries to choose by."""
    synthetic: int
    """Number of synthetic queries that there were to choose by."""
    systems: Mapping[str, SystemFigures]
    """The figures of each system, by its name; without a choice they are beside the model of the decision."""
    weight: float | None = None
    """The weight of the systems with words: that of the choice, or the best one between where words or meaning alone
    were chosen; None without a choice, and in reports from before it could differ."""
    folds: int = 0
    """Number of parts of the queries, each measured with what was chosen without it; 0 in reports from before that."""
    seen: float | None = None
    """What the chosen system reaches where all of the same queries took part in choosing it, which flatters it."""
    reranker: RerankerGain | None = None
    """What reranking by the run's own cross-encoder adds; None where the run trained none, or that was not measured."""


@dataclass(frozen=True)
class Bm25Settings:
    """The two parameters of BM25, and how it reads words."""

    k1: float
    b: float
    analyser: str = ""
    """Such as `English: Snowball stemmer, stop words`; empty in reports from before there were analysers."""
    round_trip: str = ""
    """The same of the round trip in curation; empty where BM25 took no part in it."""


@dataclass(frozen=True)
class BootstrapSettings:
    """How intervals were made."""

    resamples: int
    seed: int
    decision_level: float
    """Level of the interval that the decision rests on."""


@dataclass(frozen=True)
class Settings:
    """What a reader needs to repeat the measurement, as it was set."""

    benchmark: str
    split: str
    k: int
    """The number of documents ranked per query."""
    bm25: Bm25Settings
    bootstrap: BootstrapSettings
    encoder: EncoderConfig
    """The encoder settings of the base model, with the prefixes that it read with; the tuned model has the same length.
    """
    training: Mapping[str, Any]
    """The part of the model step's config that is in its fingerprint; `Report.training` says what came of it."""
    held_out: Mapping[str, int] = field(default_factory=dict)
    """Where `report.max_held_out` applied: `drawn`, the number of held-out queries, and `of`, how many there were."""
    tuned: Usage | None = None
    """How the tuned model read texts, which are its own prefixes where none are configured; None in reports from before
    that was written down."""


@dataclass(frozen=True)
class Report:
    """Everything in report.json."""

    created: str
    """The time of the report, in ISO 8601, UTC."""
    documents: DocumentsRecord
    samples: SampleCounts
    examples: ExampleCounts
    cost: Cost
    generation: GenerationRates
    training: TrainingFigures
    retrieval: Mapping[str, RetrievalFigures]
    """The retrieval figures by the name of the benchmark; empty without one."""
    held_out: RetrievalFigures
    """The same figures on the synthetic queries of held-out documents."""
    decision: Decision
    latency: Mapping[str, Latency]
    """The latency of each system; empty where none was measured."""
    settings: Settings
    fingerprints: Mapping[str, str]
    """The fingerprint of each step."""
    seconds: Mapping[str, float]
    """The seconds that each step took."""
    peak_memory_bytes: int
    """The largest memory of the driver and all its children, in any of the steps."""
    data_quality: DataQuality
    recommendation: Recommendation | None = None
    """How to search; None where `report.choice_queries` is 0, and in reports from before that was chosen."""
    query_log: LogFigures | None = None
    """What a log of queries shows; None without one."""
    indexes: IndexComparison | None = None
    """Approximate indexes beside exact search; None where `report.indexes` names none."""
    reranking: Mapping[str, RerankCurve] = field(default_factory=dict)
    """Quality and time by the number of passages that each reranker is given, by its name; empty without one."""
    similarity: Mapping[str, SimilarityFigures] = field(default_factory=dict)
    """Agreement with the grades of pairs, by the name of the set; empty unless `report.similarity` names a file."""
    times: Mapping[str, PhaseTimes] = field(default_factory=dict)
    """Where the time of `generation`, `curation` and `training` went; empty in reports from before that was said."""

    @property
    def choice(self) -> Choice | None:
        """The system to search with; None where none was chosen."""
        return self.recommendation.choice if self.recommendation else None

    @property
    def model(self) -> str:
        """The encoder to use: that of the system to search with, or else that of the decision."""
        return self.choice.model if self.choice else self.decision.model

    def as_json(self) -> dict[str, Any]:
        """Returns the plain JSON values of report.json.

        A figure that a step did not report is null. What a system, a query set or a condition does not have at all
        (`encode` of BM25, `real` without a benchmark, `query_log` without a log, `target` of a value that nobody asked
        for) is left out.
        """
        values: dict[str, Any] = to_json_values(self)
        if self.query_log is None:
            del values["query_log"]
        return values | {name: _without_none(values[name]) for name in ("latency", "data_quality")}


def read_report(folder: Path) -> Report:
    """Reads the report of a finished report folder.

    Raises:
        UserError: it is that of a run without documents, or of a model that is no encoder, which has other figures.
    """
    values = json.loads(ReportFolder(folder).report_file.read_text(encoding="utf-8"))
    if "form" in values:
        what = "is the report of a run without documents, or of a model that is no encoder, and compares no searches"
        raise UserError(what, where=str(folder), remedy="name a run whose model is an encoder of documents")
    return from_json_values(Report, values)


def _without_none(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: _without_none(item) for name, item in value.items() if item is not None}
