"""How quality and time of a reranker grow with the number of passages that it is given.

In: a reranked system, and the queries that a report is about. Out: a RerankCurve: nDCG@10 and the time of one query at
each depth, beside the first stage alone (depth 0). What a smaller depth gives follows from the scores of the largest
one, so that a curve costs no more pairs than its last point; only time is measured at each depth by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.search.reranked import RerankedSystem
from engine.search.systems import System
from eval.counting import counting
from eval.reranking.figures import RerankCurve, RerankPoint
from eval.retrieval.benchmark import Benchmark
from eval.retrieval.corpus import Corpus
from eval.retrieval.latency import Latency, measure_latency
from eval.retrieval.metrics import HEADLINE, evaluate
from eval.retrieval.ranking import rank_documents
from eval.significance import Bootstrap
from eval.sweeps.paired import compare_with
from eval.systems import reranked_name, reranker_of

if TYPE_CHECKING:
    from engine.runtime.console import Console

DEPTHS = (0, 5, 10, 20, 30, 50, 100)
"""The numbers of passages that a curve is told for, as far as the reranker goes."""
_RANKED = 100
"""The documents that are ranked for each query, as everywhere in a report."""


def depths_of(deepest: int) -> list[int]:
    """Returns the depths of a curve that ends at a depth."""
    return [*(depth for depth in DEPTHS if depth < deepest), deepest]


def depth_curve(
    system: RerankedSystem,
    benchmark: Benchmark,
    corpus: Corpus,
    units: Sequence[str],
    bootstrap: Bootstrap,
    *,
    console: Console | None = None,
) -> RerankCurve:
    """Measures the quality at each depth up to that of the system; no time.

    Args:
        system: the reranker at its largest depth. Within `scoring_once` no pair is scored twice.
        benchmark: the queries, at least one.
        corpus: the passages.
        units: the cluster of each query, in the order of its scores.
        bootstrap: how resamples are drawn.
        console: is told how many depths are measured; None tells nobody.
    """
    values, depths = {}, depths_of(system.depth)
    with counting(console, len(depths), "depths of the reranker") as advance:
        for depth in reversed(depths):
            at_depth: System = replace(system, depth=depth) if depth else system.first
            trec_run = rank_documents(at_depth, benchmark, corpus, _RANKED)
            values[depth] = evaluate(trec_run, benchmark.qrels, [HEADLINE]).values[HEADLINE]
            advance()
    levels, to_first = bootstrap.resample(values, units), compare_with(values, 0, units, bootstrap)
    points = []
    for depth in sorted(values):
        level = replace(levels[depth], limits=(0.0, 1.0)).figures()
        points.append(RerankPoint(depth, level.mean, level.ci95, to_first.get(depth)))
    cluster = "query" if set(units) == set(benchmark.queries) else "document"
    return RerankCurve(system.first.name, len(benchmark.queries), cluster, len(set(units)), points)


def with_latencies(
    curve: RerankCurve,
    system: RerankedSystem,
    queries: Sequence[str],
    repetitions: int,
    known: Mapping[str, Latency],
    *,
    console: Console | None = None,
) -> RerankCurve:
    """Returns the same curve with the time of one query at each depth, which is measured where it is not known.

    Args:
        curve: without times.
        system: the reranker at its largest depth.
        queries: texts to time searches with.
        repetitions: the number of queries that are timed at each depth; 0 times none.
        known: what was measured already, by the name of a system.
        console: is told how many searches are timed; None tells nobody.
    """
    if not repetitions:
        return curve
    reranker = reranker_of(system)
    names = {point.depth: reranked_name(curve.first, point.depth, reranker) for point in curve.points}
    names[0] = curve.first
    unknown: list[System] = [
        replace(system, depth=depth, name=name) if depth else system.first
        for depth, name in names.items()
        if name not in known
    ]
    latency = {**known, **measure_latency(unknown, queries, repetitions, console=console)}
    points = [replace(point, latency_ms=round(latency[names[point.depth]].p50_ms, 3)) for point in curve.points]
    return replace(curve, points=points)
