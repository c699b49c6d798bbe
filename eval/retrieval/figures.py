"""What a report says of the systems on one set of queries.

In: the results of all systems. Out: means with their intervals, and tuned minus base, each per metric. The names of the
fields are those of report.json.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from eval.retrieval.metrics import METRICS, Scores
from eval.retrieval.ranking import Results
from eval.retrieval.systems import SYSTEMS
from eval.significance import Bootstrap, DifferenceFigures


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

    def means(self, system: str) -> Mapping[str, float]:
        """The means of one of `systems.SYSTEMS`, by metric."""
        return {"bm25": self.bm25, "base": self.base, "tuned": self.tuned}[system]


def compare(results: Results, document_ids: Collection[str], bootstrap: Bootstrap) -> RetrievalFigures:
    """Means of every system, the intervals of those means, and tuned minus base, each per metric.

    Args:
        results: what all systems reached on one benchmark.
        document_ids: ids of the documents of the run.
        bootstrap: how intervals are made.
    """
    base, tuned = results.scores["base"].values, results.scores["tuned"].values
    return RetrievalFigures(
        **{name: results.scores[name].means() for name in SYSTEMS},
        difference={name: bootstrap.difference(base[name], tuned[name]).figures() for name in METRICS},
        ci95={name: _intervals(results.scores[name], bootstrap) for name in SYSTEMS},
        queries=len(results.benchmark.queries),
        left_out=results.benchmark.left_out,
        relevant_documents_missing=results.benchmark.missing_documents(document_ids),
    )


def _intervals(scores: Scores, bootstrap: Bootstrap) -> dict[str, tuple[float, float]]:
    return {name: bootstrap.mean(values).figures().ci95 for name, values in scores.values.items()}
