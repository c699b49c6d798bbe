"""The settings of the report step, and which of them make one report differ from another.

In: values from conf/report or the command line. Out: a ReportConfig that was checked before anything expensive starts.
It stands apart from the step, so that composing a run does not load what the step needs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import II

from engine.errors import UserError, check_setting, suggest
from engine.queries.log import find_log
from engine.runtime.identity import fields_of, origins, placement
from engine.search.analyser import AUTO, analyser_identity, check_language
from engine.search.cross_encoder import TRAINED, CrossEncoderConfig
from engine.search.encoder import EncoderConfig, encoder_of_base
from engine.search.fusion import POOL
from engine.search.index_settings import KINDS
from engine.storage.digests import content_digest, digest
from engine.task.config import TaskConfig
from eval.asking.config import ASKING, AskedQueries, AskingConfig, PairsConfig, is_asked_name
from eval.entries import BaseEntry, RerankerEntry, check_depths, read_entries
from eval.fusions import parse_sum
from eval.retrieval.benchmark import KEY, benchmark_digest, load_queries
from eval.retrieval.corpus import SYSTEMS, with_words
from eval.stored import STORED

TEMPLATES = Path(__file__).resolve().parent / "page" / "templates"
"""The folder with the words and the looks of report.html."""
BASES_KEY, FUSIONS_KEY, RERANKERS_KEY = "report.bases", "report.fusions", "report.rerankers"
"""The config keys of the systems beside BM25, base and tuned."""
FILES = ("similarity", "labelled")
"""The settings that name files of examples, which are inputs of the step."""
_TAKEN = (*SYSTEMS, *map(with_words, SYSTEMS[1:]), *STORED)
"""The names that no further encoder may have."""


@dataclass(frozen=True)
class ReportConfig(AskingConfig):
    """The queries that the models are measured on, and how it is done."""

    benchmark: str = II("collection")
    """A folder with queries.jsonl and qrels/, the name of a benchmark that ships, or empty for none."""
    split: str = "test"
    """Name of the judgements to use: qrels/SPLIT.tsv."""
    k: int = 100
    """Number of documents ranked per query, and of lines per query in the TREC runs; 100 or more."""
    bm25_k1: float = 1.5
    """How much BM25 (in the form of Lucene) counts repeated words; of the usual values the better one on CACM."""
    bm25_b: float = 0.75
    """How much BM25 discounts long passages: 0 not at all, 1 in proportion to their length; chosen in the same way."""
    language: str = AUTO
    """The language by which BM25 reads words; see the key `language` of a run."""
    queries: str = ""
    """A log of queries without judgements; see the key `queries.path` of a run."""
    max_held_out: int = 10_000
    """Most synthetic queries of held-out documents to measure on, drawn by a hash of the sample id; 0: all of them."""
    choice_queries: int = 400
    """Most synthetic queries, and texts of real ones, by which the report chooses how to search, beside judged ones;
    0: it does not choose."""
    bases: Any = None  # not []: OmegaConf lets no mapping take the place of a list
    """Further encoders to compare, alone and half and half with words: a model's name, or a list of names; a mapping in
    place of a name sets more of a model, see `eval.entries.BaseEntry`."""
    fusions: list[str] = field(default_factory=lambda: ["bm25+base", "bm25+tuned"])
    """Systems that are fused: `bm25+base` by reciprocal ranks, `30%bm25+70%base` by standardised scores with weights.
    `queries` and `queries-sum` are the search by kept synthetic queries, built where one of them is named here."""
    stored_queries: int = 100_000
    """Most kept synthetic queries that `queries` searches by, drawn by a hash of the sample id; 0: all of them."""
    rerankers: Any = None
    """Cross-encoders that order what a first stage finds, in the form of `bases`; see `eval.entries.RerankerEntry`."""
    trained_reranker_depth: int = 50
    """The passages that the cross-encoder which the run trained as a teacher orders, 1 to 100; 0: it orders none."""
    max_reranked: int = 300
    """Where something is reranked and nothing is judged, at most so many held-out queries are measured on, drawn by a
    hash of the sample id; 0: as many as `max_held_out`."""
    similarity: str = ""
    """A file of graded pairs: how well base and tuned agree with the grades is measured beside everything else."""
    labelled: str = ""
    """A file of labelled texts that a classifier is measured on beside those that were held out."""
    resamples: int = 10_000
    """Number of bootstrap resamples that the standard error of each interval is made from."""
    decision_level: float = 0.95
    """Level of the interval that decides between base and tuned, 0.5 to 1; all reported intervals have 95 %."""
    latency_repetitions: int = placement(50)
    """Number of queries that are timed, one at a time, with each system; 0 measures no latency."""
    price_per_gpu_hour: float = II("samples.price_per_gpu_hour")
    """Price of one GPU-hour for the table of cost; 0: unknown. A new price makes a new report, and nothing else."""
    price_per_cpu_hour: float = II("samples.price_per_cpu_hour")
    """Price of one core-hour, which is added to the price of GPUs; 0: unknown."""
    encoder: EncoderConfig = field(default_factory=encoder_of_base)
    """How the base model reads texts, and the tuned one but for prefixes of its own where they are null."""
    indexes: list[str] = field(default_factory=list)
    """Kinds of approximate indexes to compare with exact search: hnsw, ivf_pq."""
    seed: int = II("seed")
    """Seed of the bootstrap and of the samples that the page shows."""
    origins: Mapping[str, str] = origins()
    """The key that a setting follows, by the name of the setting; see `engine.runtime.identity.origins`."""

    def __post_init__(self) -> None:
        """Refuses settings that could only fail after the model is trained."""
        too_few = "documents per query are too few for Recall@100"
        check_setting(self.k >= 100, "report.k", self.k, "100 or more", fault=too_few)
        is_level, level = 0.5 <= self.decision_level < 1, self.decision_level
        check_setting(is_level, "report.decision_level", level, "0.95, say", fault="is no level of an interval")
        most, number = self.max_held_out, "10000, say, or to 0 for all"
        check_setting(most >= 0, "report.max_held_out", most, number, fault="is no number of queries")
        most = self.choice_queries
        check_setting(
            most >= 0, "report.choice_queries", most, "400, say, or to 0 for none", fault="is no number of queries"
        )
        check_setting(self.resamples >= 2, "report.resamples", self.resamples, "10000", fault="resamples are too few")
        check_setting(0 <= self.bm25_k1 < math.inf, "report.bm25_k1", self.bm25_k1, "0 or more, 1.5, say")
        check_setting(0 <= self.bm25_b <= 1, "report.bm25_b", self.bm25_b, "0 to 1, 0.75, say")
        self._check_prices()
        for name in self.indexes:
            if name not in KINDS:
                raise UserError("there is no such index", where=f"report.indexes=[{name}]", remedy=suggest(name, KINDS))
        most = self.stored_queries
        check_setting(most >= 0, "report.stored_queries", most, number, fault="is no number of queries")
        most = self.max_reranked
        check_setting(most >= 0, "report.max_reranked", most, "300, say, or to 0", fault="is no number of queries")
        depth = self.trained_reranker_depth
        check_setting(0 <= depth <= POOL, "report.trained_reranker_depth", depth, f"1 to {POOL}, or to 0 for none")
        for entry in self.reranker_entries().values():
            check_depths(entry, RERANKERS_KEY)
        self.named_systems()
        self.check_asking()

    def _check_prices(self) -> None:
        for name in ("price_per_gpu_hour", "price_per_cpu_hour"):
            price = getattr(self, name)
            follows = isinstance(price, str)  # another key, where no command line composed the config
            check_setting(follows or 0 <= price < math.inf, f"report.{name}", price, "0 or more; 0: unknown")

    def _base_entries(self) -> dict[str, BaseEntry]:
        entries = read_entries(self.bases, BaseEntry, BASES_KEY, _TAKEN)
        for name in filter(is_asked_name, entries):
            where, remedy = f"{BASES_KEY}: name={name}", "choose another name"
            raise UserError("is kept for a system that a model is asked for", where=where, remedy=remedy)
        return entries

    def further_bases(self) -> dict[str, EncoderConfig]:
        """Returns the encoders of `bases`, by the names of their systems."""
        keys = {name: f"{BASES_KEY}: {name}" for name in ("max_tokens", "precision")} | {"model": BASES_KEY}
        return {
            name: EncoderConfig(
                model=entry.model,
                query_prefix=entry.query_prefix,
                passage_prefix=entry.passage_prefix,
                max_tokens=entry.max_tokens or self.encoder.max_tokens,
                precision=entry.precision,
                batch_tokens=self.encoder.batch_tokens,
                origins=keys,
            )
            for name, entry in self._base_entries().items()
        }

    def reranker_entries(self) -> dict[str, RerankerEntry]:
        """Returns the rerankers, by their names."""
        return read_entries(self.rerankers, RerankerEntry, RERANKERS_KEY, (TRAINED,))

    def named_systems(self) -> set[str]:
        """Returns the systems that fusions and rerankers name; refuses one that there is not."""
        known = (*SYSTEMS, *self._base_entries(), *STORED)
        sums = [(text, FUSIONS_KEY) for text in self.fusions]
        sums += [(entry.first, f"{RERANKERS_KEY}: first") for entry in self.reranker_entries().values()]
        return {term.system for text, key in sums for term in parse_sum(text, known, key)}

    def most_held_out(self, limit: int, *, reranks: bool = False) -> int:
        """Returns how many held-out queries are measured on at most, where no query is judged; 0: all of them.

        Args:
            limit: `report.max_held_out`.
            reranks: whether the cross-encoder that the run trained is measured.
        """
        most = super().most_held_out(limit)
        is_slow = reranks or self.reranker_entries()
        return min(filter(None, (most, self.max_reranked)), default=0) if is_slow else most

    def benchmark_key(self) -> str:
        """Returns the config key that the user wrote the benchmark under, for messages."""
        return self.origins.get("benchmark", KEY)

    def identity(self) -> dict[str, object]:
        """Returns the fields, the benchmark's content in place of its path, digests of the templates, and who stems.

        Raises:
            UserError: the benchmark cannot be read, BM25 does not know the language, or there is no such further
                encoder or reranker; a run asks this before it starts anything.
        """
        check_language(self.language, "report.language")
        benchmark = benchmark_digest(self.benchmark, self.split, key=self.benchmark_key())
        if self.benchmark and not benchmark and self.benchmark_key() == KEY:
            what, remedy = "holds no judged queries", "name a folder with queries.jsonl and qrels/, or leave it out"
            raise UserError(what, where=f"{KEY}={self.benchmark}", remedy=remedy)
        queries = load_queries(self.benchmark, key=self.benchmark_key()) if self.choice_queries else {}
        parts = {"benchmark": benchmark, "collection_queries": digest(queries), "templates": content_digest(TEMPLATES)}
        parts["queries"] = content_digest(find_log(self.queries)) if self.queries else ""
        bases = {name: encoder.identity() for name, encoder in self.further_bases().items()}
        rerankers = {
            name: fields_of(entry, without=("model", "batch_size")) | {"model": cross_encoder(entry).identity()}
            for name, entry in self.reranker_entries().items()
        }
        models = {"bases": bases, "rerankers": rerankers}
        settings = fields_of(self, without=(*ASKING, *FILES)) | self.asking_identity()
        return settings | parts | models | {"language": analyser_identity(self.language)}

    def asked_queries(self) -> AskedQueries:
        """Returns which queries a model is asked about, where it is asked at all.

        Raises:
            UserError: there are more judged queries than `max_generated_queries`.
        """
        most, held_out = self.max_generated_queries, self.most_held_out(self.max_held_out)
        asked = AskedQueries(self.benchmark, self.split, most, held_out, self.benchmark_key())
        asked.check()
        return asked

    def pairs(self, task: TaskConfig) -> PairsConfig:
        """Returns the plan of a question about the first passages of each query."""
        asked, depth, words = self.asked_queries(), self.rerank_depth, (self.bm25_k1, self.bm25_b, self.language)
        return PairsConfig(task, asked, depth, self.encoder, *words)


def cross_encoder(entry: RerankerEntry) -> CrossEncoderConfig:
    """Returns the settings of a reranker's model."""
    return CrossEncoderConfig(entry.model, entry.max_tokens, entry.precision, entry.batch_size, RERANKERS_KEY)
