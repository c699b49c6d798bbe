"""Turns the curves of rerankers into a table and two drawings: quality by depth, and quality by the time of one query.

In: the figures of `eval/reranking/depths.py`. Out: texts and drawings for the partial template
templates/reranking.html. The section is there only where something reranks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from engine.search.cross_encoder import TRAINED
from eval import wording
from eval.page.charts import Point as CostPoint
from eval.page.charts import scatter
from eval.page.plots import nice_axis
from eval.reranking.figures import RerankCurve, RerankPoint
from eval.sweeps.lines import Ground, Point, Series, line_chart
from eval.systems import describe

_UNKNOWN = "\u2013"
_KIND = "tuned"
"""The CSS class of the curve."""


@dataclass(frozen=True)
class RerankRow:
    """One depth, in words; `difference` is that to the first stage alone."""

    depth: str
    level: str
    difference: str
    trend: str
    p: str
    latency: str


@dataclass(frozen=True)
class RerankPart:
    """One reranker on the page; drawings are "" where there is nothing to draw."""

    name: str
    first: str
    queries: str
    rows: Sequence[RerankRow]
    by_depth: Markup
    by_time: Markup


def rerank_parts(curves: Mapping[str, RerankCurve]) -> list[RerankPart]:
    """Returns a part for each reranker; none where nothing reranks."""
    return [_part(name, curve) for name, curve in curves.items()]


def _part(name: str, curve: RerankCurve) -> RerankPart:
    by = f", intervals over {curve.clusters:,} documents" if curve.cluster == "document" else ""
    return RerankPart(
        name="the cross-encoder that was trained" if name == TRAINED else name,
        first=describe(curve.first),
        queries=f"{curve.queries:,} queries{by}",
        rows=[_row(point) for point in curve.points],
        by_depth=_by_depth(name, curve),
        by_time=_by_time(name, curve),
    )


def _row(point: RerankPoint) -> RerankRow:
    low, high = point.ci95
    beside = point.to_first
    return RerankRow(
        depth=f"{point.depth:,}" if point.depth else "0, the first stage alone",
        level=f"{point.ndcg:.3f} [{low:.3f}, {high:.3f}]",
        difference=wording.with_interval(beside.difference) if beside else _UNKNOWN,
        trend=beside.trend if beside else "unclear",
        p=f"{beside.p_holm:.3f}" if beside else _UNKNOWN,
        latency=wording.milliseconds(point.latency_ms) if point.latency_ms is not None else _UNKNOWN,
    )


def _by_depth(name: str, curve: RerankCurve) -> Markup:
    points = curve.points
    axis = nice_axis(min(point.ci95[0] for point in points), max(point.ci95[1] for point in points))
    ground = Ground([f"{point.depth:,}" for point in points], axis, digits=2 if axis.high - axis.low > 0.05 else 3)
    marks = [
        Point(at, point.ndcg, *point.ci95, f"{point.depth} passages: {_row(point).level}")
        for at, point in enumerate(points)
    ]
    return line_chart([Series(_KIND, marks)], ground, f"nDCG@10 by the number of passages that {name} orders")


def _by_time(name: str, curve: RerankCurve) -> Markup:
    timed = [
        CostPoint(_KIND, f"{point.depth:,}", point.latency_ms, point.ndcg, *point.ci95)
        for point in curve.points
        if point.latency_ms
    ]
    return scatter(timed, wording.milliseconds, f"nDCG@10 by the time of one query with {name}")
