"""What systems reach that search passages for queries: figures, and how they are measured.

In: a benchmark, the passages, and systems. Out: SearchFigures: means with intervals, each system beside the one that it
was made of, the seconds that a thousand queries take, and curves of rerankers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.search.reranked import RerankedSystem
from engine.search.systems import System
from eval.fusions import half_words
from eval.report import HELD_OUT
from eval.reranking.depths import depth_curve, with_latencies
from eval.reranking.figures import RerankCurve
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus
from eval.retrieval.metrics import HEADLINE, Scores, evaluate
from eval.retrieval.ranking import rank_documents
from eval.significance import Bootstrap, DifferenceFigures, Resampled
from eval.systems import deepest_reranked, reranker_of, scoring_once

METRICS = (HEADLINE, "hit@1", "hit@2", "hit@3", "hit@10", "mrr@100")
"""The metrics of a search for the passages of pairs, the headline metric first."""
_RANKED = 100
"""The passages that are ranked for each query."""


@dataclass(frozen=True)
class SearchedSystem:
    """What one system reaches."""

    means: Mapping[str, float]
    """Mean over the queries, by metric."""
    ci95: Mapping[str, tuple[float, float]]
    """The 95 % intervals of the means."""
    beside: str
    """The system that it is compared with: base for tuned, the first stage for a reranker; empty for none."""
    difference: Mapping[str, DifferenceFigures]
    """This system minus that one, by metric; empty without one."""
    seconds_per_1000: float
    """The time that a thousand queries take, measured over all of them at once, encoding included."""


@dataclass(frozen=True)
class SearchFigures:
    """What all systems reach on one set of queries."""

    name: str
    """The collection of judged questions, or `held_out`."""
    queries: int
    of: int
    """The number of queries that there were."""
    passages: int
    """The number of passages that were searched."""
    all_passages: int
    """The number of passages that there were."""
    cluster: str
    """The unit that intervals take as independent: query or document."""
    clusters: int
    systems: Mapping[str, SearchedSystem]
    """By name, as in report.json of a run with documents."""
    reranking: Mapping[str, RerankCurve] = field(default_factory=dict)
    """Quality and time by the number of passages that each reranker is given, by its name; empty without one."""
    kind: str = ""
    """`judged` or `held_out`; empty in reports from before it was written, which go by the name."""


@dataclass(frozen=True, eq=False)
class SearchedFor:
    """What is searched, for what, and how it is measured.

    Attributes:
        benchmark: the queries, at least one.
        corpus: the passages.
        units: the cluster of each query, by query id.
        bootstrap: how resamples are drawn.
        repetitions: the number of queries that are timed with each depth of a reranker; 0 times none.
        all_passages: the number of passages that there were; 0: all are searched.
        kind: `judged` or `held_out`.
    """

    benchmark: Benchmark
    corpus: Corpus
    units: Mapping[str, str]
    bootstrap: Bootstrap
    repetitions: int
    all_passages: int = 0
    kind: str = HELD_OUT


def measure_search(searched: SearchedFor, systems: Sequence[System]) -> SearchFigures:
    """Measures all systems on one set of queries.

    Args:
        searched: the queries, the passages, and how it is measured.
        systems: those that rank; the depths of a reranker share pairs and first stage.
    """
    benchmark, bootstrap = searched.benchmark, searched.bootstrap
    units = [searched.units[query_id] for query_id in sorted(benchmark.queries)]
    deepest = deepest_reranked(systems)
    with scoring_once(systems):
        scores, seconds = _ranked(searched, systems)
        curves = {
            name: depth_curve(system, benchmark, searched.corpus, units, bootstrap) for name, system in deepest.items()
        }
    texts, repetitions = list(benchmark.queries.values()), searched.repetitions
    passages = len(searched.corpus.passage_ids)
    return SearchFigures(
        name=benchmark.name,
        queries=len(texts),
        of=len(texts) + sum(benchmark.left_out.values()),
        passages=passages,
        all_passages=searched.all_passages or passages,
        cluster="query" if set(units) == set(benchmark.queries) else "document",
        clusters=len(set(units)),
        systems=_figures(systems, scores, seconds, units, bootstrap),
        reranking={
            name: with_latencies(curve, deepest[name], texts, repetitions, {}) for name, curve in curves.items()
        },
        kind=searched.kind,
    )


def compared_with(system: System) -> str:
    """Returns the name of the system that another one is made of, which tells what it adds; empty for none."""
    if isinstance(system, RerankedSystem):
        return system.first.name
    return {"tuned": "base", half_words("tuned"): half_words("base")}.get(system.name, "")


def _ranked(searched: SearchedFor, systems: Sequence[System]) -> tuple[dict[str, Scores], dict[str, float]]:
    """Ranks with every system; returns scores and seconds by name.

    The smallest depth of a reranker comes first. A larger one then scores what is new, so that its time is that and the
    time of the smaller ones together.
    """
    benchmark, scores, seconds = searched.benchmark, dict[str, Scores](), dict[str, float]()
    spent: dict[str, float] = {}
    for system in sorted(systems, key=lambda system: system.depth if isinstance(system, RerankedSystem) else 0):
        started = time.perf_counter()
        trec_run = rank_documents(system, benchmark, searched.corpus, _RANKED)
        took = time.perf_counter() - started
        if isinstance(system, RerankedSystem):
            took += spent.get(reranker_of(system), 0.0)
            spent[reranker_of(system)] = took
        scores[system.name], seconds[system.name] = evaluate(trec_run, benchmark.qrels, METRICS), took
    return scores, seconds


def _figures(
    systems: Sequence[System],
    scores: Mapping[str, Scores],
    seconds: Mapping[str, float],
    units: Sequence[str],
    bootstrap: Bootstrap,
) -> dict[str, SearchedSystem]:
    beside = {system.name: compared_with(system) for system in systems}
    columns = {(name, "", metric): scores[name].values[metric] for name in beside for metric in METRICS}
    columns |= {
        (name, other, metric): columns[name, "", metric] - columns[other, "", metric]
        for name, other in beside.items()
        for metric in METRICS
        if other in beside and other
    }
    resampled = bootstrap.resample(columns, units)

    def figures(name: str, other: str) -> dict[str, Resampled]:
        limits = (-1.0, 1.0) if other else (0.0, 1.0)
        keys = {metric: (name, other, metric) for metric in METRICS if (name, other, metric) in resampled}
        return {metric: replace(resampled[key], limits=limits) for metric, key in keys.items()}

    return {
        name: SearchedSystem(
            means={metric: level.mean for metric, level in figures(name, "").items()},
            ci95={metric: level.figures().ci95 for metric, level in figures(name, "").items()},
            beside=other,
            difference={metric: level.figures() for metric, level in figures(name, other).items()} if other else {},
            seconds_per_1000=round(1000 * seconds[name] / len(units), 3),
        )
        for name, other in beside.items()
    }
