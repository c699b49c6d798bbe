"""Computes what a report says of the systems on one set of queries.

In: the results of all systems. Out: means with their intervals, and tuned minus base, each per metric. The names of the
fields are those of report.json. All intervals of one set of queries come from the same resamples, drawn once.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from eval.retrieval.corpus import SYSTEMS
from eval.retrieval.metrics import METRICS, Floats, Scores
from eval.retrieval.ranking import Results
from eval.significance import Bootstrap, DifferenceFigures, Resampled

_WORST_RANK = 101
"""The rank of an answer that is not among the first hundred."""
_LOG_RANKS = math.log2(_WORST_RANK)
"""The largest difference of two ranks, as log2."""


@dataclass(frozen=True)
class Resamples:
    """Every mean that a report shows of one set of queries, in the same resamples."""

    systems: Mapping[str, Mapping[str, Resampled]]
    """The resampled means, by the name of the system and the metric."""
    difference: Mapping[str, Resampled]
    """Tuned minus base, by metric."""
    rank: Resampled
    """How many times better tuned ranks the only answer of a query, as log2: 1 where its rank is half of base's. Of
    queries with several answers it is the ratio of their average precisions."""
    cluster: str
    """The unit that is drawn: document or query."""


@dataclass(frozen=True)
class RetrievalFigures:
    """What the three systems reach on one set of queries; mappings by metric hold `metrics.METRICS`."""

    bm25: Mapping[str, float]
    """Mean over the queries, by metric."""
    base: Mapping[str, float]
    """Mean over the queries, by metric."""
    tuned: Mapping[str, float]
    """Mean over the queries, by metric."""
    difference: Mapping[str, DifferenceFigures]
    """Tuned minus base, by metric."""
    ci95: Mapping[str, Mapping[str, tuple[float, float]]]
    """The 95 % interval of each system's mean: bounds by system and metric."""
    queries: int
    left_out: Mapping[str, int]
    """Number of queries that were not taken, by reason."""
    relevant_documents_missing: int
    """Relevant documents that the run does not have, so that no system can find them."""
    cluster: str = "query"
    """The unit that intervals take as independent: query, or document where queries were written from documents."""
    clusters: int = 0
    """The number of such units; 0 in reports from before they were counted."""

    def means(self, system: str) -> Mapping[str, float]:
        """Returns the means of one of `systems.SYSTEMS`, by metric."""
        return {"bm25": self.bm25, "base": self.base, "tuned": self.tuned}[system]


def resample(results: Results, bootstrap: Bootstrap, original_of: Mapping[str, str] | None = None) -> Resamples:
    """Resamples the means of all systems: whole documents of synthetic queries, single queries of people.

    Args:
        results: what all systems reached on one benchmark.
        bootstrap: how resamples are drawn.
        original_of: document id -> id of the document that it is a copy of, since copies are no further evidence; see
            `Corpus.original_of`.
    """
    scores = results.scores
    query_ids = scores["base"].query_ids
    assert all(scores[name].query_ids == query_ids for name in SYSTEMS), "systems must be scored on the same queries"
    columns = {(name, metric): scores[name].values[metric] for name in SYSTEMS for metric in METRICS}
    columns |= {("difference", metric): columns["tuned", metric] - columns["base", metric] for metric in METRICS}
    columns["difference", "rank"] = _log_ranks(scores["base"]) - _log_ranks(scores["tuned"])
    resampled = bootstrap.resample(columns, units_of(results, original_of or {}))
    return Resamples(
        {name: {metric: replace(resampled[name, metric], limits=(0.0, 1.0)) for metric in METRICS} for name in SYSTEMS},
        {metric: replace(resampled["difference", metric], limits=(-1.0, 1.0)) for metric in METRICS},
        replace(resampled["difference", "rank"], limits=(-_LOG_RANKS, _LOG_RANKS)),
        cluster="document" if results.benchmark.sources else "query",
    )


def units_of(results: Results, original_of: Mapping[str, str]) -> list[str]:
    """Returns what each query is drawn with: its document, copies being one, or itself; in the order of the scores."""
    return [results.benchmark.unit_of(query_id, original_of) for query_id in results.scores["base"].query_ids]


def _log_ranks(scores: Scores) -> Floats:
    """Returns the log2 of the rank of each query's only answer, one over its average precision."""
    ranks: Floats = 1 / np.maximum(scores.values["map@100"], 1 / _WORST_RANK)
    return np.log2(ranks)


def compare(results: Results, document_ids: Collection[str], resamples: Resamples) -> RetrievalFigures:
    """Computes the means of every system, the intervals of those means, and tuned minus base, each per metric.

    Args:
        results: what all systems reached on one benchmark.
        document_ids: ids of the documents of the run.
        resamples: those of the same results.
    """
    return RetrievalFigures(
        **{name: results.scores[name].means() for name in SYSTEMS},
        difference={metric: resampled.figures() for metric, resampled in resamples.difference.items()},
        ci95={
            name: {metric: resampled.figures().ci95 for metric, resampled in resamples.systems[name].items()}
            for name in SYSTEMS
        },
        queries=len(results.benchmark.queries),
        left_out=results.benchmark.left_out,
        relevant_documents_missing=results.benchmark.missing_documents(document_ids),
        cluster=resamples.cluster,
        clusters=next(iter(resamples.difference.values())).clusters,
    )
